#include "tools/glovebox/exec_stream.h"

#include <grpcpp/client_context.h>

#include <utility>

#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "tools/glovebox/controlled_call.h"
#include "tools/glovebox/stubs.h"

namespace glovebox {

// One call, RunExec or AttachExec.
class ExecStream::Reader {
 public:
  Reader(Connection& connection, const v1::RunExecRequest& request, CallControl* control)
      : call_(control), run_(connection.stubs().execs->RunExec(call_.context(), request)) {}
  Reader(Connection& connection, const v1::AttachExecRequest& request, CallControl* control)
      : call_(control), attach_(connection.stubs().execs->AttachExec(call_.context(), request)) {}

  // gRPC wants each call to be read to its end.
  ~Reader() {
    if (finished_) return;
    call_.context()->TryCancel();
    (void)Finish();
  }
  Reader(const Reader&) = delete;
  Reader& operator=(const Reader&) = delete;

  // False at the end of the stream; `is_frame` when the message had one.
  bool Read(v1::Frame* frame, bool* is_frame) {
    if (run_ != nullptr) {
      v1::RunExecResponse response;
      if (!run_->Read(&response)) return false;
      *is_frame = response.has_frame();
      frame->Swap(response.mutable_frame());
      return true;
    }
    v1::AttachExecResponse response;
    if (!attach_->Read(&response)) return false;
    *is_frame = true;
    frame->Swap(response.mutable_frame());
    return true;
  }

  grpc::Status Finish() {
    finished_ = true;
    return run_ != nullptr ? run_->Finish() : attach_->Finish();
  }

 private:
  ControlledCall call_;
  const std::unique_ptr<grpc::ClientReader<v1::RunExecResponse>> run_;
  const std::unique_ptr<grpc::ClientReader<v1::AttachExecResponse>> attach_;
  bool finished_ = false;
};

ExecStream::ExecStream(Connection& connection, v1::RunExecRequest request, ReconnectPolicy policy)
    : connection_(connection), run_(std::move(request)), runs_(true), outage_(policy) {}

ExecStream::ExecStream(Connection& connection, v1::AttachExecRequest request,
                       ReconnectPolicy policy)
    : connection_(connection), attach_(std::move(request)), runs_(false), outage_(policy) {}

ExecStream::~ExecStream() = default;

void ExecStream::Open() {
  reader_.reset();  // the control shows one call at a time
  reader_ = runs_ ? std::make_unique<Reader>(connection_, run_, &control_)
                  : std::make_unique<Reader>(connection_, attach_, &control_);
}

bool ExecStream::Read(v1::Frame* frame, bool* is_frame) {
  if (!reader_->Read(frame, is_frame)) return false;
  const bool mended = outage_.Mended();
  const bool first = !std::exchange(recorded_, true);
  // From here on the command is there: sent again, the request must not start it anew.
  if (run_.from_sequence() == 0) run_.set_from_sequence(1);
  if ((first || mended) && attached_) attached_();
  return true;
}

// Whether the frame is news for the reader; moves the cursor.
bool ExecStream::Accept(const v1::Frame& frame) {
  if (frame.sequence() != 0) {
    run_.set_from_sequence(frame.sequence() + 1);
    attach_.set_from_sequence(frame.sequence() + 1);
  }
  if (frame.has_started() && std::exchange(started_seen_, true)) return false;
  done_ = frame.has_end();
  return true;
}

absl::Status ExecStream::Reopen(const absl::Status& broken) {
  if (control_.cancelled()) return absl::CancelledError("cancelled");
  if (!IsConnectionTrouble(broken)) return broken;
  const absl::StatusOr<absl::Duration> wait = outage_.Failed(broken);
  if (!wait.ok()) {
    const std::string ids = runs_ ? absl::StrCat(run_.sandbox_id(), " ", run_.exec_id())
                                  : absl::StrCat(attach_.sandbox_id(), " ", attach_.exec_id());
    return Annotate(wait.status(), absl::StrCat("the stream broke before the command's end, which "
                                                "is unknown (glovebox attach ",
                                                ids, ")"));
  }
  if (!control_.Wait(*wait)) return absl::CancelledError("cancelled");
  Open();
  return absl::OkStatus();
}

absl::StatusOr<bool> ExecStream::Next(v1::Frame* frame) {
  if (done_) return false;
  if (reader_ == nullptr) Open();
  while (true) {
    bool is_frame = false;
    if (Read(frame, &is_frame)) {
      if (is_frame && !Accept(*frame)) continue;
      if (!is_frame) frame->Clear();
      return true;
    }
    const grpc::Status status = reader_->Finish();
    if (status.ok() && attach_.no_follow()) {
      done_ = true;
      return false;
    }
    const absl::Status broken = status.ok() ? absl::UnavailableError("the daemon closed the stream")
                                            : Explain(connection_, status);
    RETURN_IF_ERROR(Reopen(broken));
  }
}

}  // namespace glovebox
