#include "tools/glovebox/exec_stream.h"

#include <grpcpp/client_context.h>

#include <utility>

#include "absl/strings/str_cat.h"
#include "base/ids.h"
#include "base/status.h"
#include "tools/glovebox/controlled_call.h"
#include "tools/glovebox/failure.h"
#include "tools/glovebox/stubs.h"

namespace glovebox {

// One call.
class ExecStream::Reader {
 public:
  Reader(Connection& connection, const v1::RunExecRequest& request, CallControl* control)
      : call_(control), run_(connection.stubs().execs->RunExec(call_.context(), request)) {}
  Reader(Connection& connection, const v1::RunShellCommandRequest& request, CallControl* control)
      : call_(control),
        shell_(connection.stubs().execs->RunShellCommand(call_.context(), request)) {}
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
    *is_frame = true;
    return shell_ != nullptr ? Take<v1::RunShellCommandResponse>(*shell_, frame)
                             : Take<v1::AttachExecResponse>(*attach_, frame);
  }

  grpc::Status Finish() {
    finished_ = true;
    if (run_ != nullptr) return run_->Finish();
    return shell_ != nullptr ? shell_->Finish() : attach_->Finish();
  }

 private:
  template <typename Response>
  static bool Take(grpc::ClientReader<Response>& reader, v1::Frame* frame) {
    Response response;
    if (!reader.Read(&response)) return false;
    frame->Swap(response.mutable_frame());
    return true;
  }

  ControlledCall call_;
  const std::unique_ptr<grpc::ClientReader<v1::RunExecResponse>> run_;
  const std::unique_ptr<grpc::ClientReader<v1::RunShellCommandResponse>> shell_;
  const std::unique_ptr<grpc::ClientReader<v1::AttachExecResponse>> attach_;
  bool finished_ = false;
};

namespace {

template <typename Request>
std::unique_ptr<Acknowledger> AcknowledgerOf(Connection& connection, Request* request) {
  request->set_reader(NewRandomId());
  v1::AcknowledgeOutputRequest acknowledgement;
  acknowledgement.set_sandbox_id(request->sandbox_id());
  acknowledgement.set_exec_id(request->exec_id());
  acknowledgement.set_reader(request->reader());
  return std::make_unique<Acknowledger>(connection, std::move(acknowledgement));
}

}  // namespace

ExecStream::ExecStream(Connection& connection, v1::RunExecRequest request, ReconnectPolicy policy)
    : connection_(connection), kind_(Kind::kRun), run_(std::move(request)), outage_(policy) {
  if (run_.spec().output_policy() == v1::OUTPUT_POLICY_BACK_PRESSURE) {
    acknowledger_ = AcknowledgerOf(connection_, &run_);
  }
}

ExecStream::ExecStream(Connection& connection, v1::RunShellCommandRequest request,
                       ReconnectPolicy policy)
    : connection_(connection), kind_(Kind::kShell), shell_(std::move(request)), outage_(policy) {
  acknowledger_ = AcknowledgerOf(connection_, &shell_);
}

ExecStream::ExecStream(Connection& connection, v1::AttachExecRequest request,
                       ReconnectPolicy policy)
    : connection_(connection), kind_(Kind::kAttach), attach_(std::move(request)), outage_(policy) {}

ExecStream::~ExecStream() = default;

void ExecStream::Open() {
  reader_.reset();  // the control shows one call at a time
  switch (kind_) {
    case Kind::kRun:
      reader_ = std::make_unique<Reader>(connection_, run_, &control_);
      break;
    case Kind::kShell:
      reader_ = std::make_unique<Reader>(connection_, shell_, &control_);
      break;
    case Kind::kAttach:
      reader_ = std::make_unique<Reader>(connection_, attach_, &control_);
      break;
  }
}

std::string ExecStream::Ids() const {
  switch (kind_) {
    case Kind::kRun:
      return absl::StrCat(run_.sandbox_id(), " ", run_.exec_id());
    case Kind::kShell:
      return absl::StrCat(shell_.sandbox_id(), " ", shell_.exec_id());
    case Kind::kAttach:
      break;
  }
  return absl::StrCat(attach_.sandbox_id(), " ", attach_.exec_id());
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
  shown_ = ExtentOf(frame);
  if (frame.sequence() != 0) {
    run_.set_from_sequence(frame.sequence() + 1);
    shell_.set_from_sequence(frame.sequence() + 1);
    attach_.set_from_sequence(frame.sequence() + 1);
  }
  if (frame.has_started() && std::exchange(started_seen_, true)) return false;
  // Of a shell that is attached to instead, frames of others' commands follow.
  const bool own_end = shell_.has_number() && frame.has_command_ended() &&
                       frame.command_ended().number() == shell_.number();
  done_ = frame.has_end() || own_end;
  return true;
}

// A command of a shell that ran on while there was no connection, and is not the latest one any
// more, or was the last one: the rest of its frames is among those of the exec.
bool ExecStream::GoesOnAttached(const absl::Status& refused) {
  if (kind_ != Kind::kShell || !recorded_) return false;
  if (!HasReason(refused, "EXEC_ENDED") && !HasReason(refused, "COMMAND_PASSED")) return false;
  attach_.set_sandbox_id(shell_.sandbox_id());
  attach_.set_exec_id(shell_.exec_id());
  kind_ = Kind::kAttach;
  return true;
}

absl::Status ExecStream::Reopen(const absl::Status& broken) {
  if (control_.cancelled()) return absl::CancelledError("cancelled");
  if (GoesOnAttached(broken)) {
    Open();
    return absl::OkStatus();
  }
  if (!IsConnectionTrouble(broken)) return broken;
  broken_ = true;
  const absl::StatusOr<absl::Duration> wait = outage_.Failed(broken);
  if (!wait.ok()) {
    return Annotate(wait.status(), absl::StrCat("the stream broke before the command's end, which "
                                                "is unknown (glovebox attach ",
                                                Ids(), ")"));
  }
  if (!WaitToTryAgain(connection_, control_, *wait)) return absl::CancelledError("cancelled");
  Open();
  return absl::OkStatus();
}

absl::StatusOr<bool> ExecStream::Next(v1::Frame* frame) {
  if (acknowledger_ != nullptr) acknowledger_->Took(shown_);
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
