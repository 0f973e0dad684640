// Prometheus metrics: counts of calls, sandboxes, execs; off unless configured.
#ifndef GLOVEBOX_DAEMON_METRICS_H_
#define GLOVEBOX_DAEMON_METRICS_H_

#include <functional>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "sandbox/sandbox_manager.h"
#include "service/rpc_observer.h"

namespace glovebox {

// Thread-safe.
class Metrics {
 public:
  // `listen`: a loopback address and port (checked by config.cc). Serves GET /metrics from threads
  // of its own. UNAVAILABLE when the address cannot be had.
  static absl::StatusOr<std::unique_ptr<Metrics>> Serve(const std::string& listen,
                                                        std::function<ManagerCounts()> counts);
  ~Metrics();

  void OnRpcEnd(const RpcEnd& end);

 private:
  struct State;
  explicit Metrics(std::unique_ptr<State> state);
  const std::unique_ptr<State> state_;
};

}  // namespace glovebox

#endif  // GLOVEBOX_DAEMON_METRICS_H_
