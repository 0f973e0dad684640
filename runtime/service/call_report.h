// One call, from its arrival to its report.
#ifndef GLOVEBOX_SERVICE_CALL_REPORT_H_
#define GLOVEBOX_SERVICE_CALL_REPORT_H_

#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "base/clock.h"
#include "grpcpp/support/status.h"
#include "service/rpc_observer.h"

namespace glovebox {

// What identifies a call in logs.
struct CallName {
  const char* method;  // "SandboxService/CreateSandbox"
  std::string sandbox_id = {};
  std::string exec_id = {};
};

class CallReport {
 public:
  CallReport(CallName name, const Clock* clock, RpcObserver* observer);

  // The call ends with `status`: tells the observer, once, and gives what the client gets.
  grpc::Status End(const absl::Status& status);

 private:
  const CallName name_;
  const Clock* const clock_;
  RpcObserver* const observer_;
  const int64_t begun_ns_;
};

}  // namespace glovebox

#endif  // GLOVEBOX_SERVICE_CALL_REPORT_H_
