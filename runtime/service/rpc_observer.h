// What the service layer tells of each call's end; the daemon logs and counts it.
#ifndef GLOVEBOX_SERVICE_RPC_OBSERVER_H_
#define GLOVEBOX_SERVICE_RPC_OBSERVER_H_

#include <cstdint>
#include <string>

#include "absl/status/status.h"

namespace glovebox {

struct RpcEnd {
  std::string method;      // "SandboxService/CreateSandbox"
  std::string sandbox_id;  // as the client wrote it, unchecked; "" when the call has none
  std::string exec_id;     // likewise
  absl::Status status;
  std::string reason;  // of an error
  int64_t duration_ns = 0;
};

// Thread-safe; must not block.
class RpcObserver {
 public:
  virtual ~RpcObserver() = default;
  virtual void OnRpcEnd(const RpcEnd& end) = 0;
};

}  // namespace glovebox

#endif  // GLOVEBOX_SERVICE_RPC_OBSERVER_H_
