#include "tools/glovebox/exec_stream.h"

#include <algorithm>
#include <chrono>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/escape.h"
#include "tools/glovebox/failure.h"

namespace glovebox {
namespace {

constexpr int kRetriesMax = 5;
constexpr std::chrono::milliseconds kFirstDelay(100);

// Another try can help: the daemon went away or is restarted, or the transport broke.
bool IsBrokenConnection(const grpc::Status& status) {
  switch (static_cast<int>(status.error_code())) {
    case grpc::StatusCode::OK:  // ended without an end frame
    case grpc::StatusCode::UNAVAILABLE:
      return true;
    case grpc::StatusCode::INTERNAL:
    case grpc::StatusCode::UNKNOWN:
      return status.error_details().empty();  // gRPC's own words, not the daemon's
    case grpc::StatusCode::CANCELLED:
      return true;  // not by us: that was looked at before
    default:
      return false;
  }
}

}  // namespace

struct ExecStream::Reader {
  grpc::ClientContext context;
  std::unique_ptr<grpc::ClientReader<v1::RunExecResponse>> run;
  std::unique_ptr<grpc::ClientReader<v1::AttachExecResponse>> attach;

  // False at the end of the stream; `is_exec` when the message told that the exec exists.
  bool Read(v1::Frame* frame, bool* is_exec) {
    if (run != nullptr) {
      v1::RunExecResponse response;
      if (!run->Read(&response)) return false;
      *is_exec = response.has_exec();
      frame->Swap(response.mutable_frame());
      return true;
    }
    v1::AttachExecResponse response;
    if (!attach->Read(&response)) return false;
    frame->Swap(response.mutable_frame());
    return true;
  }

  grpc::Status Finish() { return run != nullptr ? run->Finish() : attach->Finish(); }
};

ExecStream::ExecStream(Connection& connection, v1::RunExecRequest request)
    : connection_(connection), run_(std::move(request)) {
  attach_.set_sandbox_id(run_.sandbox_id());
  attach_.set_exec_id(run_.exec_id());
}

ExecStream::ExecStream(Connection& connection, v1::AttachExecRequest request)
    : connection_(connection), attach_(std::move(request)), recorded_(true) {}

ExecStream::~ExecStream() { Cancel(); }

void ExecStream::Cancel() {
  const std::lock_guard<std::mutex> lock(mutex_);
  cancelled_ = true;
  if (reader_ != nullptr) reader_->context.TryCancel();
  cancelled_changed_.notify_all();
}

absl::Status ExecStream::Open() {
  auto reader = std::make_unique<Reader>();
  if (recorded_) {
    reader->attach = connection_.execs().AttachExec(&reader->context, attach_);
  } else {
    reader->run = connection_.execs().RunExec(&reader->context, run_);
  }
  const std::lock_guard<std::mutex> lock(mutex_);
  reader_ = std::move(reader);
  if (cancelled_) reader_->context.TryCancel();
  return absl::OkStatus();
}

bool ExecStream::WaitBeforeRetry(int attempt) {
  std::unique_lock<std::mutex> lock(mutex_);
  return !cancelled_changed_.wait_for(lock, kFirstDelay * (1 << attempt),
                                      [this] { return cancelled_; });
}

absl::Status ExecStream::Reopen(const grpc::Status& broken) {
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    if (cancelled_) return absl::CancelledError("cancelled");
  }
  if (!IsBrokenConnection(broken)) return connection_.Explain(broken);
  if (failures_in_a_row_ >= kRetriesMax) {
    const absl::Status why =
        broken.ok() ? absl::UnavailableError("the daemon closed it") : connection_.Explain(broken);
    return absl::UnavailableError(absl::StrCat(
        "the stream broke before the command's end, and attaching again failed ", kRetriesMax,
        " times; how the command ended is unknown (glovebox exec-status ", attach_.sandbox_id(),
        " ", attach_.exec_id(), "): ", EscapeForPeople(why.message())));
  }
  if (!WaitBeforeRetry(failures_in_a_row_++)) return absl::CancelledError("cancelled");
  return Open();
}

absl::StatusOr<bool> ExecStream::Next(v1::Frame* frame) {
  if (done_) return false;
  if (reader_ == nullptr) {
    if (absl::Status status = Open(); !status.ok()) return status;
  }
  while (true) {
    bool is_exec = false;
    if (reader_->Read(frame, &is_exec)) {
      recorded_ = true;
      failures_in_a_row_ = 0;
      if (is_exec) {
        frame->Clear();
        return true;
      }
      if (frame->sequence() != 0) attach_.set_from_sequence(frame->sequence() + 1);
      done_ = frame->has_end();
      return true;
    }
    const grpc::Status status = reader_->Finish();
    if (status.ok() && attach_.no_follow()) {
      done_ = true;
      return false;
    }
    if (absl::Status reopened = Reopen(status); !reopened.ok()) return reopened;
  }
}

}  // namespace glovebox
