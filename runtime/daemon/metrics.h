// Prometheus metrics: counts of calls, sandboxes, execs, connections; off unless configured.
#ifndef GLOVEBOX_DAEMON_METRICS_H_
#define GLOVEBOX_DAEMON_METRICS_H_

#include <functional>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "sandbox/connection_log.h"
#include "sandbox/sandbox_manager.h"
#include "service/rpc_observer.h"

namespace glovebox {

// Read when they are asked for.
struct LiveCounts {
  ManagerCounts sandboxes;
  ConnectionCounts connections;
};

// Thread-safe.
class Metrics {
 public:
  // `listen`: a loopback address and port (checked by config.cc). Serves GET /metrics from threads
  // of its own. UNAVAILABLE when the address cannot be had.
  static absl::StatusOr<std::unique_ptr<Metrics>> Serve(const std::string& listen,
                                                        std::function<LiveCounts()> counts);
  ~Metrics();

  void OnRpcEnd(const RpcEnd& end);

 private:
  struct State;
  explicit Metrics(std::unique_ptr<State> state);
  const std::unique_ptr<State> state_;
};

}  // namespace glovebox

#endif  // GLOVEBOX_DAEMON_METRICS_H_
