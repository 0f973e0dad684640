// NetworkService: the way into a sandbox (proto/glovebox/v1/network.proto). RPCs that are not
// overridden are not served by this release.
#ifndef GLOVEBOX_SERVICE_NETWORK_SERVICE_H_
#define GLOVEBOX_SERVICE_NETWORK_SERVICE_H_

#include "glovebox/v1/network.grpc.pb.h"
#include "service/service_deps.h"

namespace glovebox {

// Thread-safe.
class NetworkService final : public v1::NetworkService::CallbackService {
 public:
  explicit NetworkService(const ServiceDeps* deps) : deps_(*deps) {}

  grpc::ServerBidiReactor<v1::ForwardPortRequest, v1::ForwardPortResponse>* ForwardPort(
      grpc::CallbackServerContext* context) override;

 private:
  const ServiceDeps& deps_;
};

}  // namespace glovebox

#endif  // GLOVEBOX_SERVICE_NETWORK_SERVICE_H_
