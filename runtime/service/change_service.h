// ChangeService: the list of changes and the patch (proto/glovebox/v1/change.proto). RPCs that are
// not overridden are not served by this release.
#ifndef GLOVEBOX_SERVICE_CHANGE_SERVICE_H_
#define GLOVEBOX_SERVICE_CHANGE_SERVICE_H_

#include "glovebox/v1/change.grpc.pb.h"
#include "service/change_listing.h"
#include "service/produced_stream.h"
#include "service/service_deps.h"
#include "service/unary_call.h"

namespace glovebox {

// Thread-safe.
class ChangeService final : public v1::ChangeService::CallbackService {
 public:
  explicit ChangeService(const ServiceDeps* deps) : deps_(*deps) {}

  // The first page looks at the files; the others tell the rest of what that look found.
  grpc::ServerUnaryReactor* ListChanges(grpc::CallbackServerContext* context,
                                        const v1::ListChangesRequest* request,
                                        v1::ListChangesResponse* response) override;
  // Followers of one tree share its looks; each has its own place in what was found.
  grpc::ServerWriteReactor<v1::WatchChangesResponse>* WatchChanges(
      grpc::CallbackServerContext* context, const v1::WatchChangesRequest* request) override;
  grpc::ServerWriteReactor<v1::DiffSandboxResponse>* DiffSandbox(
      grpc::CallbackServerContext* context, const v1::DiffSandboxRequest* request) override;
  // One sandbox after the other: each is as it was at its moment.
  grpc::ServerUnaryReactor* CompareSandboxes(grpc::CallbackServerContext* context,
                                             const v1::CompareSandboxesRequest* request,
                                             v1::CompareSandboxesResponse* response) override;
  grpc::ServerUnaryReactor* CommitChanges(grpc::CallbackServerContext* context,
                                          const v1::CommitChangesRequest* request,
                                          v1::CommitChangesResponse* response) override;
  grpc::ServerWriteReactor<v1::ExportBundleResponse>* ExportBundle(
      grpc::CallbackServerContext* context, const v1::ExportBundleRequest* request) override;
  grpc::ServerUnaryReactor* ApplyPatch(grpc::CallbackServerContext* context,
                                       const v1::ApplyPatchRequest* request,
                                       v1::ApplyPatchResponse* response) override;

 private:
  using DiffStream = ProducedStream<v1::DiffSandboxResponse>;

  absl::Status List(const Caller& caller, const v1::ListChangesRequest& request,
                    v1::ListChangesResponse* response) const;
  absl::Status Diff(const v1::DiffSandboxRequest& request, DiffStream& stream) const;
  absl::Status Compare(const UnaryCall& call, const v1::CompareSandboxesRequest& request,
                       v1::CompareSandboxesResponse* response) const;
  absl::Status Commit(const Caller& caller, const v1::CommitChangesRequest& request,
                      v1::CommitChangesResponse* response) const;
  absl::Status Export(const v1::ExportBundleRequest& request,
                      ProducedStream<v1::ExportBundleResponse>& stream) const;

  const ServiceDeps& deps_;
};

}  // namespace glovebox

#endif  // GLOVEBOX_SERVICE_CHANGE_SERVICE_H_
