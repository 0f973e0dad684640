// What becomes of the ends of calls: a log line, metrics, a line of the audit log.
#ifndef GLOVEBOX_DAEMON_CALL_LOG_H_
#define GLOVEBOX_DAEMON_CALL_LOG_H_

#include <atomic>

#include "daemon/audit_log.h"
#include "daemon/logging.h"
#include "daemon/metrics.h"
#include "service/rpc_observer.h"

namespace glovebox {

// Thread-safe. Successful calls and a client's own doings are logged at level debug, failures at
// warn.
class CallLog final : public RpcObserver {
 public:
  explicit CallLog(const Log* log) : log_(log) {}
  // Metrics exist only when configured, and after this object. Must outlive the last call.
  void SetMetrics(Metrics* metrics) { metrics_.store(metrics, std::memory_order_release); }

  // Likewise; before the first call.
  void SetAudit(AuditLog* audit) { audit_.store(audit, std::memory_order_release); }

  void OnRpcEnd(const RpcEnd& end) override;
  void OnDecided(const RpcEnd& end) override;

 private:
  const Log* const log_;
  std::atomic<Metrics*> metrics_ = nullptr;
  std::atomic<AuditLog*> audit_ = nullptr;
};

}  // namespace glovebox

#endif  // GLOVEBOX_DAEMON_CALL_LOG_H_
