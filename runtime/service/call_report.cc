#include "service/call_report.h"

#include <utility>

#include "service/status.h"

namespace glovebox {

CallReport::CallReport(CallName name, const Clock* clock, RpcObserver* observer)
    : name_(std::move(name)),
      clock_(clock),
      observer_(observer),
      begun_ns_(clock->MonotonicNanos()) {}

grpc::Status CallReport::End(const absl::Status& status) {
  observer_->OnRpcEnd({name_.method, name_.sandbox_id, name_.exec_id, status, ErrorReason(status),
                       clock_->MonotonicNanos() - begun_ns_});
  return ToGrpcStatus(status);
}

}  // namespace glovebox
