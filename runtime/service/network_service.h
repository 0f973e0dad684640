// NetworkService: the ways into a sandbox and out of it (proto/glovebox/v1/network.proto). RPCs
// that are not overridden are not served by this release.
#ifndef GLOVEBOX_SERVICE_NETWORK_SERVICE_H_
#define GLOVEBOX_SERVICE_NETWORK_SERVICE_H_

#include "glovebox/v1/network.grpc.pb.h"
#include "service/service_deps.h"
#include "service/unary_call.h"

namespace glovebox {

// Thread-safe.
class NetworkService final : public v1::NetworkService::CallbackService {
 public:
  explicit NetworkService(const ServiceDeps* deps) : deps_(*deps) {}

  grpc::ServerUnaryReactor* UpdateEgress(grpc::CallbackServerContext* context,
                                         const v1::UpdateEgressRequest* request,
                                         v1::UpdateEgressResponse* response) override;
  grpc::ServerWriteReactor<v1::WatchConnectionsResponse>* WatchConnections(
      grpc::CallbackServerContext* context, const v1::WatchConnectionsRequest* request) override;
  grpc::ServerBidiReactor<v1::ForwardPortRequest, v1::ForwardPortResponse>* ForwardPort(
      grpc::CallbackServerContext* context) override;
  grpc::ServerUnaryReactor* ListListeningPorts(grpc::CallbackServerContext* context,
                                               const v1::ListListeningPortsRequest* request,
                                               v1::ListListeningPortsResponse* response) override;
  grpc::ServerUnaryReactor* WaitForPort(grpc::CallbackServerContext* context,
                                        const v1::WaitForPortRequest* request,
                                        v1::WaitForPortResponse* response) override;

 private:
  absl::Status Update(const UnaryCall& call, const v1::UpdateEgressRequest& request,
                      v1::UpdateEgressResponse* response) const;
  absl::Status List(const UnaryCall& call, const v1::ListListeningPortsRequest& request,
                    v1::ListListeningPortsResponse* response) const;

  const ServiceDeps& deps_;
};

}  // namespace glovebox

#endif  // GLOVEBOX_SERVICE_NETWORK_SERVICE_H_
