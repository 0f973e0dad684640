#include "service/unary_call.h"

#include <utility>

#include "service/request_error.h"

namespace glovebox {

UnaryCall::UnaryCall(const ServiceDeps& deps, CallName name)
    : report_(std::move(name), deps.clock, deps.observer) {}

UnaryCall* UnaryCall::Run(const ServiceDeps& deps, CallName name, WorkQueue* queue, Work work) {
  auto* call = new UnaryCall(deps, std::move(name));
  const bool taken = queue->TryRun([call, work = std::move(work)] {
    const absl::Status status = call->cancelled() ? CallCancelled() : work(*call);
    call->Finish(call->report_.End(status));  // `call` may be gone from here on
  });
  if (!taken) call->Finish(call->report_.End(TooManyCalls()));
  return call;
}

}  // namespace glovebox
