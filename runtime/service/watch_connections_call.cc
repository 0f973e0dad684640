#include "service/watch_connections_call.h"

#include <atomic>
#include <optional>
#include <string>
#include <utility>

#include "base/status.h"
#include "base/turn.h"
#include "sandbox/connection_log.h"
#include "sandbox/sandbox_errors.h"
#include "service/convert_egress.h"
#include "service/find_sandbox.h"
#include "service/request_error.h"

namespace glovebox {
namespace {

using Reader = std::unique_ptr<ConnectionLog::Reader>;

v1::WatchConnectionsResponse ToProto(const ConnectionLog::Item& item) {
  v1::WatchConnectionsResponse message;
  if (item.fresh_instance) {
    message.set_fresh_instance(true);
  } else if (item.connection != nullptr) {
    *message.mutable_record() = ToProto(*item.connection);
  } else {
    message.set_lost_count(item.lost);
  }
  return message;
}

}  // namespace

absl::Status EgressNotSetUp() {
  return DetailedError(absl::StatusCode::kFailedPrecondition,
                       "the sandbox was made without a way out, so there are no connections; make "
                       "one with an allow list, which may be empty",
                       {"EGRESS_NOT_SET_UP", {}});
}

// Shared with the callback that is left with the log and may come after the call is gone.
class WatchConnectionsCall::Core : public std::enable_shared_from_this<WatchConnectionsCall::Core> {
 public:
  Core(WatchConnectionsCall* call, const ServiceDeps& deps,
       const v1::WatchConnectionsRequest& request)
      : call_(call), deps_(deps), request_(request), no_follow_(request.no_follow()) {}

  // Nothing ends the call before this, so the request and the caller are there until then.
  void Start() {
    absl::StatusOr<Reader> reader = cancelled() ? CallCancelled() : Open();
    if (reader.ok()) {
      reader_ = *std::move(reader);
    } else {
      failure_ = reader.status();
    }
    call_->report_.Decided(failure_);
    started_.store(true, std::memory_order_release);
    Run();
  }
  void Refuse(const absl::Status& why) {
    failure_ = why;
    started_.store(true, std::memory_order_release);
    Run();
  }
  void OnWritten(bool ok) {
    if (!ok) cancelled_.store(true, std::memory_order_release);
    writing_.store(false, std::memory_order_release);
    Run();
  }
  void OnCancel() {
    cancelled_.store(true, std::memory_order_release);
    Run();
  }

 private:
  bool cancelled() const { return cancelled_.load(std::memory_order_acquire); }

  absl::StatusOr<Reader> Open() {
    const Caller& caller = call_->report_.caller();
    ConnectionLog::Selection selection{"", caller.View(), request_.refused_only()};
    if (!request_.sandbox_id().empty()) {
      ASSIGN_OR_RETURN(const auto sandbox, FindSandbox(deps_, caller, request_.sandbox_id()));
      selection.sandbox_id = sandbox->id();
    }
    if (deps_.connections == nullptr) return EgressNotSetUp();
    std::optional<std::string> cursor;
    if (request_.has_cursor()) cursor = request_.cursor();
    absl::StatusOr<Reader> reader =
        deps_.connections->Follow(selection, cursor, [weak = weak_from_this(), &deps = deps_] {
          // Not on this thread: it has the records of all sandboxes.
          if (weak.expired()) return;
          deps.calls->Run([weak] {
            if (auto self = weak.lock()) self->Run();
          });
        });
    if (absl::IsNotFound(reader.status())) return WhyNone(caller, selection.sandbox_id);
    return reader;
  }

  // Why there is no log of a sandbox that is there.
  absl::Status WhyNone(const Caller& caller, const std::string& id) const {
    ASSIGN_OR_RETURN(const SandboxInfo info, deps_.sandboxes->Get(caller, id));
    if (info.state == SandboxState::kStopped) return NotRunning(info.state, info.stop_reason);
    return EgressNotSetUp();
  }

  void Run() {
    const auto self = shared_from_this();  // the call may go during its last step
    if (!turn_.Begin()) return;
    do {
      Step();
    } while (!turn_.End());
  }

  void Step() {
    // A write in flight is answered by OnWritten, also when the client has gone.
    if (finished_ || !started_.load(std::memory_order_acquire) ||
        writing_.load(std::memory_order_acquire)) {
      return;
    }
    if (!failure_.ok()) return End(failure_);
    if (cancelled()) return End(CallCancelled());
    const absl::StatusOr<std::optional<ConnectionLog::Item>> item = reader_->Next();
    if (absl::IsOutOfRange(item.status())) return End(absl::OkStatus());
    if (!item.ok()) return End(item.status());
    if (!item->has_value()) {
      if (no_follow_) return End(absl::OkStatus());
      if (!std::exchange(told_, true)) call_->StartSendInitialMetadata();
      return;  // the log wakes this
    }
    told_ = true;
    writing_.store(true, std::memory_order_release);
    call_->response_ = ToProto(**item);
    call_->StartWrite(&call_->response_);  // the call may be gone from here on
  }

  void End(const absl::Status& status) {
    finished_ = true;
    reader_.reset();
    call_->Finish(call_->report_.End(status));  // likewise
  }

  WatchConnectionsCall* const call_;
  const ServiceDeps& deps_;
  const v1::WatchConnectionsRequest& request_;  // until started_
  const bool no_follow_;
  Turn turn_;
  std::atomic<bool> started_ = false;
  std::atomic<bool> writing_ = false;
  std::atomic<bool> cancelled_ = false;
  // Of the thread that has the turn; of Start and Refuse before started_.
  absl::Status failure_;
  Reader reader_;
  bool told_ = false;  // response headers went, by themselves or with a message
  bool finished_ = false;
};

WatchConnectionsCall::WatchConnectionsCall(const ServiceDeps& deps,
                                           const grpc::CallbackServerContext& context,
                                           const v1::WatchConnectionsRequest& request)
    : report_(deps, context, {"NetworkService/WatchConnections", request.sandbox_id()},
              CallKind::kStream),
      core_(std::make_shared<Core>(this, deps, request)) {}

WatchConnectionsCall* WatchConnectionsCall::Run(const ServiceDeps& deps,
                                                const grpc::CallbackServerContext& context,
                                                const v1::WatchConnectionsRequest& request) {
  auto* call = new WatchConnectionsCall(deps, context, request);
  const std::shared_ptr<Core> core = call->core_;
  if (const absl::Status& admitted = call->report_.admitted(); !admitted.ok()) {
    core->Refuse(admitted);
  } else if (!deps.calls->TryRun([core] { core->Start(); })) {
    core->Refuse(TooManyCalls());
  }
  return call;
}

void WatchConnectionsCall::OnWriteDone(bool ok) { std::shared_ptr<Core>(core_)->OnWritten(ok); }

void WatchConnectionsCall::OnCancel() { std::shared_ptr<Core>(core_)->OnCancel(); }

}  // namespace glovebox
