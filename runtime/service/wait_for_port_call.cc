#include "service/wait_for_port_call.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <optional>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "base/turn.h"
#include "grpcpp/alarm.h"
#include "service/convert_time.h"
#include "service/find_sandbox.h"
#include "service/forward_port_call.h"
#include "service/request_error.h"

namespace glovebox {
namespace {

constexpr uint32_t kTimeoutMs = 60'000;
constexpr uint32_t kTimeoutMsMax = 3'600'000;
// How often it is looked: soon at first, for servers that take a moment to start.
constexpr int64_t kFirstRestMs = 5;
constexpr int64_t kLongestRestMs = 200;
// How long after its deadline a wait goes on that could not be told anything.
constexpr int64_t kPatienceNs = 2'000'000'000;
constexpr size_t kListenersTold = 20;

bool HasReason(const absl::Status& status, absl::string_view reason) {
  const std::optional<ErrorDetail> detail = GetErrorDetail(status);
  return detail.has_value() && detail->reason == reason;
}

std::string Describe(const PortListing& listing) {
  std::string text;
  size_t told = 0;
  for (const PortListener& listener : listing.listeners) {
    if (++told > kListenersTold) break;
    absl::StrAppend(&text, told > 1 ? ", " : "", listener.socket.port, " ",
                    listener.socket.address);
  }
  const uint64_t all = listing.listeners.size() + listing.omitted;
  if (all > kListenersTold) absl::StrAppend(&text, " and ", all - kListenersTold, " more");
  return text;
}

// `listing`: an error when somebody else asked just then; then nothing is said of it.
absl::Status Silent(uint32_t port, const absl::StatusOr<PortListing>& listing) {
  const std::string others = listing.ok() ? Describe(*listing) : "";
  const std::string instead = !listing.ok()    ? ""
                              : others.empty() ? "; nothing listens in it at all"
                                               : absl::StrCat("; what listens: ", others);
  ErrorDetail detail{"PORT_SILENT", {{"port", absl::StrCat(port)}}};
  if (listing.ok()) detail.metadata["listening"] = others;
  return DetailedError(absl::StatusCode::kDeadlineExceeded,
                       absl::StrCat("nothing in the sandbox listens on port ", port,
                                    " of 127.0.0.1, ::1 or every address yet", instead),
                       detail);
}

absl::Status NoThread() {
  return DetailedError(absl::StatusCode::kUnavailable,
                       "what listens in the sandbox cannot be told now: the daemon has too much "
                       "other work; try again",
                       {"PORTS_UNKNOWN", {}});
}

}  // namespace

v1::ListeningPort ToProto(const PortListener& listener) {
  v1::ListeningPort port;
  port.set_port(listener.socket.port);
  port.set_address(listener.socket.address);
  port.set_exec_id(listener.exec_id);
  return port;
}

// Shared with callbacks that come after the call is gone. A hostile init can make a look take its
// whole time, so looks are taken on the queue where a sandbox has its share alone; what else there
// is to do takes a moment on any thread.
class WaitForPortCall::Core : public std::enable_shared_from_this<WaitForPortCall::Core> {
 public:
  Core(WaitForPortCall* call, const ServiceDeps& deps, const v1::WaitForPortRequest& request,
       v1::WaitForPortResponse* response)
      : call_(call),
        deps_(deps),
        request_(request),
        response_(response),
        share_(call->report_.caller().ShareFor(request.sandbox_id())) {}

  void Start() {
    if (!deps_.calls->TryRun([self = shared_from_this()] { self->Run(/*may_look=*/false); })) {
      End(TooManyCalls());
    }
  }
  void OnCancel() {
    cancelled_.store(true, std::memory_order_release);
    Run(/*may_look=*/false);
  }
  void Refuse(const absl::Status& why) { End(why); }

 private:
  // Where too much waits for a thread nothing happens, and the alarm comes by again.
  void AskToLook() {
    if (asked_.exchange(true)) return;
    const bool taken = deps_.transfers->TryRun(
        [self = shared_from_this()] {
          self->asked_.store(false);
          self->Run(/*may_look=*/true);
        },
        share_);
    if (!taken) asked_.store(false);
  }
  void OnAlarm() {
    // Before the look, for which there may be no thread: a wait ends all the same.
    Run(/*may_look=*/false);
    AskToLook();
  }

  void Run(bool may_look) {
    const auto self = shared_from_this();
    if (!turn_.Begin()) return;
    do {
      Step(may_look);
    } while (!turn_.End());
  }

  void Step(bool may_look) {
    if (finished_) return;
    if (cancelled_.load(std::memory_order_acquire)) return End(CallCancelled());
    if (questions_ == nullptr) {
      const absl::Status begun = Begin();
      if (!begun.ok()) End(begun);
      return;  // it wakes this
    }
    if (may_look) return Look();
    if (IsOverBy(kPatienceNs)) return End(unknown_);
    SetAlarm();
  }

  absl::Status Begin() {
    RETURN_IF_ERROR(CheckPort(request_.port(), "port"));
    uint32_t timeout_ms = kTimeoutMs;
    if (request_.has_timeout()) {
      ASSIGN_OR_RETURN(timeout_ms, MillisFromProto(request_.timeout(), 0, "timeout"));
      if (timeout_ms > kTimeoutMsMax) return FieldError("timeout", "must be at most 1 h");
    }
    ASSIGN_OR_RETURN(std::shared_ptr<Sandbox> sandbox,
                     FindSandbox(deps_, call_->report_.caller(), request_.sandbox_id()));
    deadline_ns_ = deps_.clock->MonotonicNanos() + int64_t{timeout_ms} * 1'000'000;
    ASSIGN_OR_RETURN(questions_,
                     PortQuestions::Begin(std::move(sandbox), [weak = weak_from_this()] {
                       // Never on this thread: it may have the events of all sandboxes.
                       if (auto self = weak.lock()) self->AskToLook();
                     }));
    SetAlarm();
    return absl::OkStatus();
  }

  void Look() {
    const absl::StatusOr<std::optional<PortListener>> found =
        questions_->Find(static_cast<uint16_t>(request_.port()));
    if (!found.ok() && !HasReason(found.status(), "PORTS_UNKNOWN")) return End(found.status());
    if (found.ok() && found->has_value()) {
      *response_->mutable_port() = ToProto(**found);
      return End(absl::OkStatus());
    }
    if (found.ok() && IsOverBy(0)) return End(Silent(request_.port(), questions_->TryList()));
    unknown_ = found.ok() ? NoThread() : found.status();
    rest_ms_ = std::min(rest_ms_ * 2, kLongestRestMs);
    SetAlarm();
  }

  bool IsOverBy(int64_t ns) const { return deps_.clock->MonotonicNanos() >= deadline_ns_ + ns; }

  void SetAlarm() {
    const int64_t left_ms = (deadline_ns_ - deps_.clock->MonotonicNanos()) / 1'000'000 + 1;
    // Past it: the answer that is missing may come yet.
    const int64_t rest_ms = left_ms > 0 ? std::min(rest_ms_, left_ms) : rest_ms_;
    // A new one, for the callback of the last may not have returned.
    alarm_ = std::make_unique<grpc::Alarm>();
    alarm_->Set(std::chrono::system_clock::now() + std::chrono::milliseconds(rest_ms),
                [weak = weak_from_this()](bool due) {
                  auto self = weak.lock();
                  if (due && self != nullptr) self->OnAlarm();
                });
  }

  void End(const absl::Status& status) {
    finished_ = true;
    alarm_.reset();
    questions_.reset();
    call_->Finish(call_->report_.End(status));  // the call may be gone from here on
  }

  WaitForPortCall* const call_;
  const ServiceDeps& deps_;
  const v1::WaitForPortRequest& request_;
  v1::WaitForPortResponse* const response_;
  const std::string share_;  // of the queue of looks
  Turn turn_;
  std::atomic<bool> cancelled_ = false;
  std::atomic<bool> asked_ = false;  // a look waits for its thread
  // Of the thread that has the turn.
  std::shared_ptr<PortQuestions> questions_;
  std::unique_ptr<grpc::Alarm> alarm_;
  int64_t deadline_ns_ = 0;
  int64_t rest_ms_ = kFirstRestMs;
  absl::Status unknown_ = NoThread();  // why the last look told nothing, or there was none
  bool finished_ = false;
};

WaitForPortCall::WaitForPortCall(const ServiceDeps& deps,
                                 const grpc::CallbackServerContext& context,
                                 const v1::WaitForPortRequest& request,
                                 v1::WaitForPortResponse* response)
    : report_(deps, context, {"NetworkService/WaitForPort", request.sandbox_id()},
              CallKind::kStream),
      core_(std::make_shared<Core>(this, deps, request, response)) {}

WaitForPortCall* WaitForPortCall::Run(const ServiceDeps& deps,
                                      const grpc::CallbackServerContext& context,
                                      const v1::WaitForPortRequest& request,
                                      v1::WaitForPortResponse* response) {
  auto* call = new WaitForPortCall(deps, context, request, response);
  const std::shared_ptr<Core> core = call->core_;
  if (const absl::Status& admitted = call->report_.admitted(); !admitted.ok()) {
    core->Refuse(admitted);
  } else {
    core->Start();
  }
  return call;
}

void WaitForPortCall::OnCancel() { std::shared_ptr<Core>(core_)->OnCancel(); }

}  // namespace glovebox
