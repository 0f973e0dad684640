// A unary RPC that waits for something of an exec without holding a thread.
#ifndef GLOVEBOX_SERVICE_WATCHED_CALL_H_
#define GLOVEBOX_SERVICE_WATCHED_CALL_H_

#include <functional>
#include <memory>
#include <optional>

#include "absl/status/statusor.h"
#include "exec/exec.h"
#include "grpcpp/support/server_callback.h"
#include "service/call_report.h"
#include "service/service_deps.h"

namespace glovebox {

// Deletes itself in OnDone.
class WatchedCall final : public grpc::ServerUnaryReactor {
 public:
  // Must not block. nullopt: try again when the exec has changed.
  using Attempt = std::function<std::optional<absl::Status>(Exec&)>;
  using Find = std::function<absl::StatusOr<std::shared_ptr<Exec>>(const Caller&)>;

  // `find` runs on the queue for calls; `attempt` there and on any thread that the exec's changes
  // come on, one at a time.
  static WatchedCall* Run(const ServiceDeps& deps, const grpc::CallbackServerContext& context,
                          CallName name, Find find, Attempt attempt);

 private:
  class Core;

  WatchedCall(const ServiceDeps& deps, const grpc::CallbackServerContext& context, CallName name,
              Attempt attempt);
  void OnCancel() override;
  void OnDone() override { delete this; }

  CallReport report_;
  const std::shared_ptr<Core> core_;
};

}  // namespace glovebox

#endif  // GLOVEBOX_SERVICE_WATCHED_CALL_H_
