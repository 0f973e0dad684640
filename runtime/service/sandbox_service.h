// SandboxService: life cycle (proto/glovebox/v1/sandbox.proto). RPCs that are not overridden are
// not served by this release.
#ifndef GLOVEBOX_SERVICE_SANDBOX_SERVICE_H_
#define GLOVEBOX_SERVICE_SANDBOX_SERVICE_H_

#include <vector>

#include "glovebox/v1/sandbox.grpc.pb.h"
#include "policy/requirements.h"
#include "service/convert_sandbox.h"
#include "service/service_deps.h"
#include "service/unary_call.h"

namespace glovebox {

// Thread-safe.
class SandboxService final : public v1::SandboxService::CallbackService {
 public:
  // `enforcement`: what holds every sandbox of this host. `capabilities`: all that a caller may
  // require of it.
  SandboxService(const ServiceDeps* deps, std::vector<v1::Capability> enforcement,
                 const std::vector<v1::Capability>& capabilities)
      : deps_(*deps),
        enforcement_(std::move(enforcement)),
        capabilities_(ToHostCapabilities(capabilities)) {}

  // A sandbox whose client went away while it was made and gave no request id has nobody who knows
  // its id: it is deleted again. With a request id it stays, for the retry.
  grpc::ServerUnaryReactor* CreateSandbox(grpc::CallbackServerContext* context,
                                          const v1::CreateSandboxRequest* request,
                                          v1::CreateSandboxResponse* response) override;
  grpc::ServerUnaryReactor* GetSandbox(grpc::CallbackServerContext* context,
                                       const v1::GetSandboxRequest* request,
                                       v1::GetSandboxResponse* response) override;
  grpc::ServerUnaryReactor* ListSandboxes(grpc::CallbackServerContext* context,
                                          const v1::ListSandboxesRequest* request,
                                          v1::ListSandboxesResponse* response) override;
  grpc::ServerUnaryReactor* DeleteSandbox(grpc::CallbackServerContext* context,
                                          const v1::DeleteSandboxRequest* request,
                                          v1::DeleteSandboxResponse* response) override;
  grpc::ServerUnaryReactor* PauseSandbox(grpc::CallbackServerContext* context,
                                         const v1::PauseSandboxRequest* request,
                                         v1::PauseSandboxResponse* response) override;
  grpc::ServerUnaryReactor* ResumeSandbox(grpc::CallbackServerContext* context,
                                          const v1::ResumeSandboxRequest* request,
                                          v1::ResumeSandboxResponse* response) override;
  // As CreateSandbox, for every child.
  grpc::ServerUnaryReactor* ForkSandbox(grpc::CallbackServerContext* context,
                                        const v1::ForkSandboxRequest* request,
                                        v1::ForkSandboxResponse* response) override;
  grpc::ServerUnaryReactor* CheckpointSandbox(grpc::CallbackServerContext* context,
                                              const v1::CheckpointSandboxRequest* request,
                                              v1::CheckpointSandboxResponse* response) override;
  grpc::ServerUnaryReactor* RestoreCheckpoint(grpc::CallbackServerContext* context,
                                              const v1::RestoreCheckpointRequest* request,
                                              v1::RestoreCheckpointResponse* response) override;
  grpc::ServerUnaryReactor* ListCheckpoints(grpc::CallbackServerContext* context,
                                            const v1::ListCheckpointsRequest* request,
                                            v1::ListCheckpointsResponse* response) override;
  grpc::ServerUnaryReactor* DeleteCheckpoint(grpc::CallbackServerContext* context,
                                             const v1::DeleteCheckpointRequest* request,
                                             v1::DeleteCheckpointResponse* response) override;
  grpc::ServerUnaryReactor* GetUsage(grpc::CallbackServerContext* context,
                                     const v1::GetUsageRequest* request,
                                     v1::GetUsageResponse* response) override;

 private:
  absl::Status Create(const v1::CreateSandboxRequest& request, const UnaryCall& call,
                      v1::CreateSandboxResponse* response) const;
  absl::Status Fork(const v1::ForkSandboxRequest& request, const UnaryCall& call,
                    v1::ForkSandboxResponse* response) const;
  absl::Status List(const Caller& caller, const v1::ListSandboxesRequest& request,
                    v1::ListSandboxesResponse* response) const;
  absl::Status List(const Caller& caller, const v1::ListCheckpointsRequest& request,
                    v1::ListCheckpointsResponse* response) const;
  v1::Sandbox Show(const Caller& caller, const SandboxInfo& info) const;

  const ServiceDeps& deps_;
  const std::vector<v1::Capability> enforcement_;
  const std::vector<HostCapability> capabilities_;
};

}  // namespace glovebox

#endif  // GLOVEBOX_SERVICE_SANDBOX_SERVICE_H_
