#include "service/watched_call.h"

#include <atomic>
#include <utility>

#include "base/turn.h"
#include "service/request_error.h"

namespace glovebox {

// Shared with the callbacks that are left with the exec and may come after the call is gone.
class WatchedCall::Core : public std::enable_shared_from_this<WatchedCall::Core> {
 public:
  Core(WatchedCall* call, Attempt attempt) : call_(call), attempt_(std::move(attempt)) {}

  void Start(absl::StatusOr<std::shared_ptr<Exec>> exec) {
    exec_ = std::move(exec);
    started_.store(true, std::memory_order_release);
    Run();
  }

  void OnCancel() {
    cancelled_.store(true, std::memory_order_release);
    Run();
  }

 private:
  void Run() {
    const auto self = shared_from_this();
    if (!turn_.Begin()) return;
    do {
      Step();
    } while (!turn_.End());
  }

  void Step() {
    if (finished_ || !started_.load(std::memory_order_acquire)) return;
    if (!exec_.ok()) return End(exec_.status());
    if (cancelled_.load(std::memory_order_acquire)) return End(CallCancelled());
    Exec& exec = **exec_;
    if (watch_ != 0) exec.Unwatch(watch_);
    // Watched before it is looked at: a change after the look is not missed.
    watch_ = exec.Watch([self = shared_from_this()] { self->Run(); });
    if (std::optional<absl::Status> status = attempt_(exec); status.has_value()) {
      End(*status);
    } else if (const absl::Status left = exec.left(); !left.ok()) {
      End(left);
    }
  }

  void End(const absl::Status& status) {
    finished_ = true;
    if (exec_.ok() && watch_ != 0) (*exec_)->Unwatch(watch_);
    call_->Finish(call_->report_.End(status));  // the call may be gone from here on
  }

  WatchedCall* const call_;
  const Attempt attempt_;
  Turn turn_;
  std::atomic<bool> started_ = false;
  std::atomic<bool> cancelled_ = false;
  // Of the thread that has the turn (and of Start).
  absl::StatusOr<std::shared_ptr<Exec>> exec_;
  uint64_t watch_ = 0;
  bool finished_ = false;
};

WatchedCall::WatchedCall(const ServiceDeps& deps, const grpc::CallbackServerContext& context,
                         CallName name, Attempt attempt)
    : report_(deps, context, std::move(name), CallKind::kStream),
      core_(std::make_shared<Core>(this, std::move(attempt))) {}

WatchedCall* WatchedCall::Run(const ServiceDeps& deps, const grpc::CallbackServerContext& context,
                              CallName name, Find find, Attempt attempt) {
  auto* call = new WatchedCall(deps, context, std::move(name), std::move(attempt));
  std::shared_ptr<Core> core = call->core_;
  if (const absl::Status& admitted = call->report_.admitted(); !admitted.ok()) {
    core->Start(admitted);
    return call;
  }
  // Nothing ends the call before Start, so `caller` is there until then.
  const bool taken =
      deps.calls->TryRun([core, find = std::move(find), &caller = call->report_.caller()] {
        core->Start(find(caller));
      });
  if (!taken) core->Start(TooManyCalls());
  return call;
}

void WatchedCall::OnCancel() { std::shared_ptr<Core>(core_)->OnCancel(); }

}  // namespace glovebox
