#include "service/call_report.h"

#include <utility>

#include "service/status.h"

namespace glovebox {

CallReport::CallReport(const ServiceDeps& deps, const grpc::CallbackServerContext& context,
                       CallName name, CallKind kind)
    : name_(std::move(name)),
      clock_(deps.clock),
      observer_(deps.observer),
      begun_ns_(deps.clock->MonotonicNanos()) {
  absl::StatusOr<Caller> caller = deps.callers->Identify(context);
  admitted_ = caller.status();
  if (!caller.ok()) return;
  caller_ = *std::move(caller);
  absl::StatusOr<ClientBook::Ticket> ticket = deps.book->Admit(caller_, kind);
  admitted_ = ticket.status();
  if (!ticket.ok()) return;
  ticket_ = *std::move(ticket);
  refused_before_ = deps.book->TakeRefused(caller_);
}

RpcEnd CallReport::Describe(const absl::Status& status) const {
  RpcEnd end{name_.method, name_.sandbox_id,    name_.exec_id,
             status,       ErrorReason(status), clock_->MonotonicNanos() - begun_ns_};
  end.caller = caller_;
  end.refused_before = refused_before_;
  end.children = children_;
  end.arguments = arguments_;
  return end;
}

void CallReport::Decided(const absl::Status& status) {
  if (std::exchange(decided_, true)) return;
  observer_->OnDecided(Describe(status));
}

grpc::Status CallReport::End(const absl::Status& status) {
  Decided(status);
  observer_->OnRpcEnd(Describe(status));
  // Before the client knows: whoever waits for each answer before the next call is not refused for
  // one that nobody has taken down yet.
  ticket_.Answered();
  return ToGrpcStatus(status);
}

}  // namespace glovebox
