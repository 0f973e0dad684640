#include "tools/glovebox/stdin_pump.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "base/escape.h"
#include "base/status.h"
#include "glovebox/v1/exec.pb.h"
#include "tools/glovebox/failure.h"
#include "tools/glovebox/reconnect.h"

namespace glovebox {
namespace {

constexpr size_t kChunkBytes = 256 << 10;
constexpr absl::Duration kCallTime = absl::Seconds(10);

}  // namespace

StdinWriter::StdinWriter(Connection& connection, std::string sandbox_id, std::string exec_id,
                         uint64_t offset)
    : connection_(connection),
      sandbox_id_(std::move(sandbox_id)),
      exec_id_(std::move(exec_id)),
      kept_from_(offset),
      accepted_(offset),
      control_(kCallTime) {}

// One call: the next piece, and the end when it follows that piece.
absl::Status StdinWriter::SendOnce() {
  const uint64_t begin = accepted_ - kept_from_;
  const size_t size = std::min(kChunkBytes, kept_.size() - begin);
  const bool last = begin + size == kept_.size();
  v1::WriteStdinRequest request;
  request.set_sandbox_id(sandbox_id_);
  request.set_exec_id(exec_id_);
  request.set_offset(accepted_);
  request.set_data(kept_.data() + begin, size);
  request.set_eof(close_ && last);
  v1::WriteStdinResponse response;
  RETURN_IF_ERROR(Call(connection_, request, &response, &control_));
  if (response.accepted_offset() < accepted_ || response.accepted_offset() > accepted_ + size) {
    return absl::InternalError("the daemon took another number of input bytes than were sent");
  }
  accepted_ = response.accepted_offset();
  closed_ = request.eof() && accepted_ == kept_from_ + kept_.size();
  const uint64_t arrived = std::min(response.written_offset(), accepted_);
  if (arrived > kept_from_) {
    kept_.erase(0, arrived - kept_from_);
    kept_from_ = arrived;
  }
  return absl::OkStatus();
}

// The daemon has less than its predecessor had: it says how much.
absl::Status StdinWriter::GoBack(const absl::Status& refusal) {
  if (!HasReason(refusal, "STDIN_GAP")) return refusal;
  const ErrorDetail detail = *GetErrorDetail(refusal);
  const auto said = detail.metadata.find("accepted_offset");
  uint64_t offset = 0;
  if (said == detail.metadata.end() || !absl::SimpleAtoi(said->second, &offset) ||
      offset < kept_from_ || offset >= accepted_) {
    return refusal;
  }
  accepted_ = offset;
  return absl::OkStatus();
}

absl::Status StdinWriter::SendRest() {
  Backoff backoff;
  while (accepted_ < kept_from_ + kept_.size() || (close_ && !closed_)) {
    absl::Status status = SendOnce();
    if (control_.cancelled()) return absl::CancelledError("cancelled");
    if (status.ok()) {
      backoff.Reset();
    } else if (absl::IsOutOfRange(status)) {
      RETURN_IF_ERROR(GoBack(status));
    } else if (IsConnectionTrouble(status)) {
      // How long to go on is the business of whoever reads the output: it cancels us.
      if (!WaitToTryAgain(connection_, control_, backoff.Next())) {
        return absl::CancelledError("cancelled");
      }
    } else if (!absl::IsDeadlineExceeded(status)) {  // the command does not read; nothing is lost
      return status;
    }
  }
  return absl::OkStatus();
}

absl::Status StdinWriter::Write(absl::string_view bytes) {
  while (!bytes.empty()) {
    const absl::string_view chunk = bytes.substr(0, kChunkBytes);
    kept_.append(chunk.data(), chunk.size());
    RETURN_IF_ERROR(SendRest());
    bytes.remove_prefix(chunk.size());
  }
  return absl::OkStatus();
}

absl::Status StdinWriter::Close() {
  close_ = true;
  return SendRest();
}

absl::Status StdinWriter::Resend() {
  closed_ = false;
  // At the end of what was taken this is an empty write; it is refused when that is less than we
  // believe.
  absl::Status status = SendOnce();
  if (absl::IsOutOfRange(status)) {
    RETURN_IF_ERROR(GoBack(status));
  } else if (!status.ok() && !IsConnectionTrouble(status) && !absl::IsDeadlineExceeded(status)) {
    return status;
  }
  return SendRest();
}

StdinPump::StdinPump(Connection& connection, const std::string& sandbox_id,
                     const std::string& exec_id, int fd, uint64_t offset)
    : writer_(connection, sandbox_id, exec_id, offset),
      fd_(fd),
      wake_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {
  thread_ = std::thread([this] { Run(); });
}

StdinPump::~StdinPump() {
  stop_ = true;
  (void)::eventfd_write(wake_.get(), 1);
  writer_.Cancel();
  thread_.join();
}

void StdinPump::Resend() {
  resend_ = true;
  (void)::eventfd_write(wake_.get(), 1);
}

// Reads once and passes it on.
absl::Status StdinPump::PumpOnce(bool* at_end) {
  std::string buffer(kChunkBytes, '\0');
  const ssize_t count = ::read(fd_, buffer.data(), buffer.size());
  if (count < 0 && (errno == EINTR || errno == EAGAIN)) return absl::OkStatus();
  if (count < 0) Note(absl::StrCat("read from stdin: ", std::strerror(errno)));
  *at_end = count <= 0;
  if (*at_end) return writer_.Close();
  return writer_.Write({buffer.data(), static_cast<size_t>(count)});
}

void StdinPump::Run() {
  bool at_end = false;
  absl::Status status;
  while (status.ok()) {
    // poll(2) passes over a negative descriptor.
    std::array<pollfd, 2> wait{{{at_end ? -1 : fd_, POLLIN, 0}, {wake_.get(), POLLIN, 0}}};
    if (::poll(wait.data(), wait.size(), -1) < 0) continue;
    if (stop_) return;
    eventfd_t ignored = 0;
    (void)::eventfd_read(wake_.get(), &ignored);  // EAGAIN: it was not that
    if (resend_.exchange(false)) status = writer_.Resend();
    if (status.ok() && wait[0].revents != 0) status = PumpOnce(&at_end);
  }
  // That the command reads no more, or has ended, is for the command's end to tell.
  if (absl::IsCancelled(status) || absl::IsFailedPrecondition(status) || absl::IsNotFound(status)) {
    return;
  }
  Note(absl::StrCat("input: ", EscapeForPeople(status.message())));
}

}  // namespace glovebox
