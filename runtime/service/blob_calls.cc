// SnapshotService's calls for what clients upload.
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "service/convert_snapshot.h"
#include "service/request_error.h"
#include "service/snapshot_service.h"
#include "service/status.h"
#include "service/unary_call.h"
#include "service/upload_call.h"

namespace glovebox {
namespace {

constexpr int kDigestsMax = 10'000;

absl::Status CheckCount(int count, absl::string_view field) {
  return count <= kDigestsMax
             ? absl::OkStatus()
             : FieldError(field, absl::StrCat("has at most ", kDigestsMax, " entries a call"));
}

absl::Status FindMissing(const SandboxAccess& sandboxes, const Caller& caller,
                         const v1::FindMissingBlobsRequest& request,
                         v1::FindMissingBlobsResponse* response) {
  RETURN_IF_ERROR(CheckCount(request.digests_size(), "digests"));
  std::vector<BlobDigest> digests;
  for (const v1::Digest& each : request.digests()) {
    ASSIGN_OR_RETURN(BlobDigest digest, FromProto(each, "digests"));
    digests.push_back(std::move(digest));
  }
  for (const BlobDigest& missing : sandboxes.FindMissingBlobs(caller, digests)) {
    *response->add_missing() = ToProto(missing);
  }
  return absl::OkStatus();
}

absl::Status UpdateOne(const SandboxAccess& sandboxes, const Caller& caller, const v1::Blob& blob) {
  ASSIGN_OR_RETURN(const BlobDigest digest, FromProto(blob.digest(), "blobs.digest"));
  return sandboxes.PutBlob(caller, digest, blob.data());
}

}  // namespace

grpc::ServerUnaryReactor* SnapshotService::FindMissingBlobs(
    grpc::CallbackServerContext* context, const v1::FindMissingBlobsRequest* request,
    v1::FindMissingBlobsResponse* response) {
  return UnaryCall::Run(deps_, *context, {"SnapshotService/FindMissingBlobs"}, deps_.calls,
                        [this, request, response](const UnaryCall& call) {
                          return FindMissing(*deps_.sandboxes, call.caller(), *request, response);
                        });
}

grpc::ServerUnaryReactor* SnapshotService::BatchUpdateBlobs(
    grpc::CallbackServerContext* context, const v1::BatchUpdateBlobsRequest* request,
    v1::BatchUpdateBlobsResponse* response) {
  return UnaryCall::Run(deps_, *context, {"SnapshotService/BatchUpdateBlobs"}, deps_.transfers,
                        [this, request, response](const UnaryCall& call) -> absl::Status {
                          RETURN_IF_ERROR(CheckCount(request->blobs_size(), "blobs"));
                          for (const v1::Blob& blob : request->blobs()) {
                            if (call.cancelled()) return CallCancelled();
                            v1::BlobResult& result = *response->add_results();
                            *result.mutable_digest() = blob.digest();
                            *result.mutable_status() =
                                ToRpcStatus(UpdateOne(*deps_.sandboxes, call.caller(), blob));
                          }
                          return absl::OkStatus();
                        });
}

grpc::ServerReadReactor<v1::UploadBlobRequest>* SnapshotService::UploadBlob(
    grpc::CallbackServerContext* context, v1::UploadBlobResponse* response) {
  return UploadCall::Run(deps_, *context, response);
}

}  // namespace glovebox
