// A unary RPC whose work is done on a queue.
#ifndef GLOVEBOX_SERVICE_UNARY_CALL_H_
#define GLOVEBOX_SERVICE_UNARY_CALL_H_

#include <atomic>
#include <functional>

#include "absl/status/status.h"
#include "base/work_queue.h"
#include "grpcpp/support/server_callback.h"
#include "service/call_report.h"
#include "service/service_deps.h"

namespace glovebox {

// Deletes itself in OnDone, which gRPC calls after the end was sent.
class UnaryCall final : public grpc::ServerUnaryReactor {
 public:
  // May read the request and fill the response until it returns.
  using Work = std::function<absl::Status(const UnaryCall&)>;

  // Runs `work` on `queue` and ends the call with what it returns: RESOURCE_EXHAUSTED when the
  // queue is full; not at all when the client has gone before it was its turn.
  static UnaryCall* Run(const ServiceDeps& deps, const grpc::CallbackServerContext& context,
                        CallName name, WorkQueue* queue, Work work);

  const Caller& caller() const { return report_.caller(); }
  // For what becomes known during the work.
  CallReport& report() const { return report_; }
  // The client does not wait any more. Any thread.
  bool cancelled() const { return cancelled_.load(std::memory_order_acquire); }

 private:
  UnaryCall(const ServiceDeps& deps, const grpc::CallbackServerContext& context, CallName name,
            CallKind kind);
  void OnCancel() override { cancelled_.store(true, std::memory_order_release); }
  void OnDone() override { delete this; }

  mutable CallReport report_;  // of the thread that works, once it does
  std::atomic<bool> cancelled_ = false;
};

}  // namespace glovebox

#endif  // GLOVEBOX_SERVICE_UNARY_CALL_H_
