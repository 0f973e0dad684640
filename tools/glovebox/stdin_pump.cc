#include "tools/glovebox/stdin_pump.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/escape.h"
#include "tools/glovebox/failure.h"

namespace glovebox {
namespace {

constexpr size_t kChunkBytes = 256 << 10;
constexpr std::chrono::seconds kCallTime(10);
constexpr int kUnavailableMax = 5;

}  // namespace

StdinWriter::StdinWriter(Connection& connection, std::string sandbox_id, std::string exec_id)
    : connection_(connection), sandbox_id_(std::move(sandbox_id)), exec_id_(std::move(exec_id)) {}

void StdinWriter::Cancel() {
  const std::lock_guard<std::mutex> lock(mutex_);
  cancelled_ = true;
  if (context_ != nullptr) context_->TryCancel();
}

absl::Status StdinWriter::WriteOnce(absl::string_view bytes, bool eof, uint64_t* accepted) {
  grpc::ClientContext context;
  context.set_deadline(std::chrono::system_clock::now() + kCallTime);
  context.set_wait_for_ready(true);  // a daemon that restarts takes the rest
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    if (cancelled_) return absl::CancelledError("cancelled");
    context_ = &context;
  }
  v1::WriteStdinRequest request;
  request.set_sandbox_id(sandbox_id_);
  request.set_exec_id(exec_id_);
  request.set_offset(offset_);
  request.set_data(bytes.data(), bytes.size());
  request.set_eof(eof);
  v1::WriteStdinResponse response;
  const grpc::Status status = connection_.execs().WriteStdin(&context, request, &response);
  const std::lock_guard<std::mutex> lock(mutex_);
  context_ = nullptr;
  if (cancelled_) return absl::CancelledError("cancelled");
  if (!status.ok()) return connection_.Explain(status);
  *accepted = response.accepted_offset();
  return absl::OkStatus();
}

absl::Status StdinWriter::WriteFrom(absl::string_view bytes, bool eof) {
  const uint64_t end = offset_ + bytes.size();
  int unavailable = 0;
  while (true) {
    uint64_t accepted = offset_;
    const absl::Status status = WriteOnce(bytes, eof, &accepted);
    if (absl::IsDeadlineExceeded(status)) continue;  // the command does not read; nothing is lost
    if (absl::IsUnavailable(status) && ++unavailable <= kUnavailableMax) continue;
    if (!status.ok()) return status;
    if (accepted < offset_ || accepted > end) {
      return absl::InternalError("the daemon took another number of input bytes than were sent");
    }
    bytes.remove_prefix(accepted - offset_);
    offset_ = accepted;
    if (bytes.empty()) return absl::OkStatus();
  }
}

absl::Status StdinWriter::Write(absl::string_view bytes) {
  while (!bytes.empty()) {
    const absl::string_view chunk = bytes.substr(0, kChunkBytes);
    if (absl::Status status = WriteFrom(chunk, false); !status.ok()) return status;
    bytes.remove_prefix(chunk.size());
  }
  return absl::OkStatus();
}

absl::Status StdinWriter::Close() { return WriteFrom("", true); }

StdinPump::StdinPump(Connection& connection, const std::string& sandbox_id,
                     const std::string& exec_id, int fd)
    : writer_(connection, sandbox_id, exec_id),
      fd_(fd),
      stop_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {
  thread_ = std::thread([this] { Run(); });
}

StdinPump::~StdinPump() {
  (void)::eventfd_write(stop_.get(), 1);
  writer_.Cancel();
  thread_.join();
}

void StdinPump::Run() {
  std::vector<char> buffer(kChunkBytes);
  absl::Status status;
  while (status.ok()) {
    std::array<pollfd, 2> wait{{{fd_, POLLIN, 0}, {stop_.get(), POLLIN, 0}}};
    if (::poll(wait.data(), wait.size(), -1) < 0) continue;
    if (wait[1].revents != 0) return;
    const ssize_t count = ::read(fd_, buffer.data(), buffer.size());
    if (count < 0 && (errno == EINTR || errno == EAGAIN)) continue;
    if (count < 0) Note(absl::StrCat("read from stdin: ", std::strerror(errno)));
    if (count <= 0) {
      status = writer_.Close();
      break;
    }
    status = writer_.Write({buffer.data(), static_cast<size_t>(count)});
  }
  // That the command reads no more, or has ended, is for the command's end to tell.
  if (status.ok() || absl::IsCancelled(status) || absl::IsFailedPrecondition(status) ||
      absl::IsNotFound(status)) {
    return;
  }
  Note(absl::StrCat("input: ", EscapeForPeople(status.message())));
}

}  // namespace glovebox
