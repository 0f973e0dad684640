#include "service/unary_call.h"

#include <string>
#include <utility>

#include "service/request_error.h"

namespace glovebox {

UnaryCall::UnaryCall(const ServiceDeps& deps, const grpc::CallbackServerContext& context,
                     CallName name, CallKind kind)
    : report_(deps, context, std::move(name), kind) {}

UnaryCall* UnaryCall::Run(const ServiceDeps& deps, const grpc::CallbackServerContext& context,
                          CallName name, WorkQueue* queue, Work work) {
  const CallKind kind = queue == deps.transfers ? CallKind::kTransfer : CallKind::kCall;
  const std::string sandbox_id = name.sandbox_id;
  auto* call = new UnaryCall(deps, context, std::move(name), kind);
  if (const absl::Status& admitted = call->report_.admitted(); !admitted.ok()) {
    call->Finish(call->report_.End(admitted));
    return call;
  }
  const bool taken = queue->TryRun(
      [call, work = std::move(work)] {
        const absl::Status status = call->cancelled() ? CallCancelled() : work(*call);
        call->Finish(call->report_.End(status));  // `call` may be gone from here on
      },
      call->caller().ShareFor(sandbox_id));
  if (!taken) call->Finish(call->report_.End(TooManyCalls()));
  return call;
}

}  // namespace glovebox
