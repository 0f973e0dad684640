// SnapshotService: the host's store of snapshots and images (proto/glovebox/v1/snapshot.proto).
// RPCs that are not overridden are not served by this release.
#ifndef GLOVEBOX_SERVICE_SNAPSHOT_SERVICE_H_
#define GLOVEBOX_SERVICE_SNAPSHOT_SERVICE_H_

#include "glovebox/v1/snapshot.grpc.pb.h"
#include "service/produced_stream.h"
#include "service/service_deps.h"

namespace glovebox {

// Thread-safe. An import goes on when its client has gone: its result is kept for the next one.
class SnapshotService final : public v1::SnapshotService::CallbackService {
 public:
  explicit SnapshotService(const ServiceDeps* deps) : deps_(*deps) {}

  grpc::ServerWriteReactor<v1::ImportSnapshotResponse>* ImportSnapshot(
      grpc::CallbackServerContext* context, const v1::ImportSnapshotRequest* request) override;
  grpc::ServerUnaryReactor* CaptureSandbox(grpc::CallbackServerContext* context,
                                           const v1::CaptureSandboxRequest* request,
                                           v1::CaptureSandboxResponse* response) override;
  grpc::ServerWriteReactor<v1::CollectGarbageResponse>* CollectGarbage(
      grpc::CallbackServerContext* context, const v1::CollectGarbageRequest* request) override;
  grpc::ServerWriteReactor<v1::CheckStoreResponse>* CheckStore(
      grpc::CallbackServerContext* context, const v1::CheckStoreRequest* request) override;
  grpc::ServerUnaryReactor* GetSnapshot(grpc::CallbackServerContext* context,
                                        const v1::GetSnapshotRequest* request,
                                        v1::GetSnapshotResponse* response) override;
  grpc::ServerUnaryReactor* ListSnapshots(grpc::CallbackServerContext* context,
                                          const v1::ListSnapshotsRequest* request,
                                          v1::ListSnapshotsResponse* response) override;
  grpc::ServerUnaryReactor* DeleteSnapshot(grpc::CallbackServerContext* context,
                                           const v1::DeleteSnapshotRequest* request,
                                           v1::DeleteSnapshotResponse* response) override;
  grpc::ServerWriteReactor<v1::ImportImageResponse>* ImportImage(
      grpc::CallbackServerContext* context, const v1::ImportImageRequest* request) override;
  grpc::ServerUnaryReactor* ListImages(grpc::CallbackServerContext* context,
                                       const v1::ListImagesRequest* request,
                                       v1::ListImagesResponse* response) override;
  grpc::ServerUnaryReactor* DeleteImage(grpc::CallbackServerContext* context,
                                        const v1::DeleteImageRequest* request,
                                        v1::DeleteImageResponse* response) override;
  grpc::ServerUnaryReactor* SetCache(grpc::CallbackServerContext* context,
                                     const v1::SetCacheRequest* request,
                                     v1::SetCacheResponse* response) override;
  grpc::ServerUnaryReactor* ListCaches(grpc::CallbackServerContext* context,
                                       const v1::ListCachesRequest* request,
                                       v1::ListCachesResponse* response) override;
  grpc::ServerUnaryReactor* DeleteCache(grpc::CallbackServerContext* context,
                                        const v1::DeleteCacheRequest* request,
                                        v1::DeleteCacheResponse* response) override;
  grpc::ServerUnaryReactor* FindMissingBlobs(grpc::CallbackServerContext* context,
                                             const v1::FindMissingBlobsRequest* request,
                                             v1::FindMissingBlobsResponse* response) override;
  grpc::ServerUnaryReactor* BatchUpdateBlobs(grpc::CallbackServerContext* context,
                                             const v1::BatchUpdateBlobsRequest* request,
                                             v1::BatchUpdateBlobsResponse* response) override;
  grpc::ServerReadReactor<v1::UploadBlobRequest>* UploadBlob(
      grpc::CallbackServerContext* context, v1::UploadBlobResponse* response) override;

 private:
  using SnapshotStream = ProducedStream<v1::ImportSnapshotResponse>;
  using CollectStream = ProducedStream<v1::CollectGarbageResponse>;
  using CheckStream = ProducedStream<v1::CheckStoreResponse>;
  using ImageStream = ProducedStream<v1::ImportImageResponse>;

  absl::StatusOr<SnapshotInfo> ImportFrom(const v1::ImportSnapshotRequest& request,
                                          SnapshotStream& stream) const;
  absl::StatusOr<ImageInfo> ImportRoot(const std::string& name, const std::string& path,
                                       bool is_directory, ImageStream& stream) const;
  absl::StatusOr<ImageInfo> ImportFrom(const v1::ImportImageRequest& request,
                                       const std::string& name, ImageStream& stream) const;
  absl::Status Import(const v1::ImportSnapshotRequest& request, SnapshotStream& stream) const;
  absl::Status Collect(const v1::CollectGarbageRequest& request, CollectStream& stream) const;
  absl::Status Import(const v1::ImportImageRequest& request, ImageStream& stream) const;
  absl::Status List(const Caller& caller, const v1::ListSnapshotsRequest& request,
                    v1::ListSnapshotsResponse* response) const;
  absl::Status List(const Caller& caller, const v1::ListImagesRequest& request,
                    v1::ListImagesResponse* response) const;
  absl::Status List(const Caller& caller, const v1::ListCachesRequest& request,
                    v1::ListCachesResponse* response) const;

  const ServiceDeps& deps_;
};

}  // namespace glovebox

#endif  // GLOVEBOX_SERVICE_SNAPSHOT_SERVICE_H_
