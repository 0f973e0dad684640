// NetworkService: the ways into a sandbox and out of it (proto/glovebox/v1/network.proto).
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
  // secret_calls.cc
  grpc::ServerUnaryReactor* CreateSecret(grpc::CallbackServerContext* context,
                                         const v1::CreateSecretRequest* request,
                                         v1::CreateSecretResponse* response) override;
  grpc::ServerUnaryReactor* ListSecrets(grpc::CallbackServerContext* context,
                                        const v1::ListSecretsRequest* request,
                                        v1::ListSecretsResponse* response) override;
  grpc::ServerUnaryReactor* DeleteSecret(grpc::CallbackServerContext* context,
                                         const v1::DeleteSecretRequest* request,
                                         v1::DeleteSecretResponse* response) override;

 private:
  absl::Status Update(const UnaryCall& call, const v1::UpdateEgressRequest& request,
                      v1::UpdateEgressResponse* response) const;
  absl::Status List(const UnaryCall& call, const v1::ListListeningPortsRequest& request,
                    v1::ListListeningPortsResponse* response) const;
  absl::Status ListSecretsOf(const Caller& caller, const v1::ListSecretsRequest& request,
                             v1::ListSecretsResponse* response) const;

  const ServiceDeps& deps_;
};

}  // namespace glovebox

#endif  // GLOVEBOX_SERVICE_NETWORK_SERVICE_H_
