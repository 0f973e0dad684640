// ChangeService: the list of changes and the patch (proto/glovebox/v1/change.proto). RPCs that are
// not overridden are not served by this release.
#ifndef GLOVEBOX_SERVICE_CHANGE_SERVICE_H_
#define GLOVEBOX_SERVICE_CHANGE_SERVICE_H_

#include "glovebox/v1/change.grpc.pb.h"
#include "service/produced_stream.h"
#include "service/service_deps.h"

namespace glovebox {

// Thread-safe.
class ChangeService final : public v1::ChangeService::CallbackService {
 public:
  explicit ChangeService(const ServiceDeps* deps) : deps_(*deps) {}

  // Every page scans anew: the cost follows what was changed, and nothing is kept between pages.
  grpc::ServerUnaryReactor* ListChanges(grpc::CallbackServerContext* context,
                                        const v1::ListChangesRequest* request,
                                        v1::ListChangesResponse* response) override;
  grpc::ServerWriteReactor<v1::DiffSandboxResponse>* DiffSandbox(
      grpc::CallbackServerContext* context, const v1::DiffSandboxRequest* request) override;

 private:
  using DiffStream = ProducedStream<v1::DiffSandboxResponse>;

  absl::Status List(const Caller& caller, const v1::ListChangesRequest& request,
                    v1::ListChangesResponse* response) const;
  absl::Status Diff(const v1::DiffSandboxRequest& request, DiffStream& stream) const;

  const ServiceDeps& deps_;
};

}  // namespace glovebox

#endif  // GLOVEBOX_SERVICE_CHANGE_SERVICE_H_
