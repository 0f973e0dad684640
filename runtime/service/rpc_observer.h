// What the service layer tells of each call's end; the daemon logs, counts and audits it.
#ifndef GLOVEBOX_SERVICE_RPC_OBSERVER_H_
#define GLOVEBOX_SERVICE_RPC_OBSERVER_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "service/caller.h"

namespace glovebox {

struct RpcEnd {
  std::string method;      // "SandboxService/CreateSandbox"
  std::string sandbox_id;  // as the client wrote it, unchecked; "" when the call has none
  std::string exec_id;     // likewise
  absl::Status status;
  std::string reason;  // of an error
  int64_t duration_ns = 0;
  Caller caller = {};           // principal "": it could not be told
  uint64_t refused_before = 0;  // requests of this caller refused for their rate since the last end
  std::vector<std::string> children = {};  // ids of the sandboxes that a fork made
  std::string arguments = {};              // of the command, where the audit log is to have them
};

// Thread-safe; must not block.
class RpcObserver {
 public:
  virtual ~RpcObserver() = default;
  virtual void OnRpcEnd(const RpcEnd& end) = 0;
  // What the call was to change has been changed, or was refused; once for each call, at its end or
  // before.
  virtual void OnDecided(const RpcEnd& end) = 0;
};

}  // namespace glovebox

#endif  // GLOVEBOX_SERVICE_RPC_OBSERVER_H_
