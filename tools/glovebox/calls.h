// Calls to the daemon as functions: what goes in, what comes out, an absl::Status. The only headers
// here are light ones; gRPC's stay in calls.cc, connection.cc and exec_stream.cc.
#ifndef GLOVEBOX_TOOLS_CALLS_H_
#define GLOVEBOX_TOOLS_CALLS_H_

#include <condition_variable>
#include <functional>
#include <mutex>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "tools/glovebox/connection.h"

namespace grpc {
class ClientContext;
}  // namespace grpc

namespace glovebox {

namespace v1 {
class AcknowledgeOutputRequest;
class AcknowledgeOutputResponse;
class BatchUpdateBlobsRequest;
class BatchUpdateBlobsResponse;
class CaptureSandboxRequest;
class CaptureSandboxResponse;
class CheckStoreRequest;
class CheckStoreResponse;
class CheckpointSandboxRequest;
class CheckpointSandboxResponse;
class CollectGarbageRequest;
class CollectGarbageResponse;
class CommitChangesRequest;
class CommitChangesResponse;
class CompareSandboxesRequest;
class CompareSandboxesResponse;
class CreateSandboxRequest;
class CreateSandboxResponse;
class CreateSecretRequest;
class CreateSecretResponse;
class DeleteCacheRequest;
class DeleteCacheResponse;
class DeleteCheckpointRequest;
class DeleteCheckpointResponse;
class DeleteImageRequest;
class DeleteImageResponse;
class DeleteSandboxRequest;
class DeleteSandboxResponse;
class DeleteSecretRequest;
class DeleteSecretResponse;
class DeleteSnapshotRequest;
class DeleteSnapshotResponse;
class DiffSandboxRequest;
class DiffSandboxResponse;
class ExportBundleRequest;
class ExportBundleResponse;
class FindMissingBlobsRequest;
class FindMissingBlobsResponse;
class ForkSandboxRequest;
class ForkSandboxResponse;
class GetExecRequest;
class GetExecResponse;
class GetNodeRequest;
class GetNodeResponse;
class GetSandboxRequest;
class GetSandboxResponse;
class ImportImageRequest;
class ImportImageResponse;
class ImportSnapshotRequest;
class ImportSnapshotResponse;
class ListCachesRequest;
class ListCachesResponse;
class ListListeningPortsRequest;
class ListListeningPortsResponse;
class ListChangesRequest;
class ListChangesResponse;
class ListCheckpointsRequest;
class ListCheckpointsResponse;
class ListSecretsRequest;
class ListSecretsResponse;
class ListImagesRequest;
class ListImagesResponse;
class ListSandboxesRequest;
class ListSandboxesResponse;
class ListSnapshotsRequest;
class ListSnapshotsResponse;
class PauseSandboxRequest;
class PauseSandboxResponse;
class ResizeTerminalRequest;
class ResizeTerminalResponse;
class RestoreCheckpointRequest;
class RestoreCheckpointResponse;
class ResumeSandboxRequest;
class ResumeSandboxResponse;
class SetCacheRequest;
class SetCacheResponse;
class SignalExecRequest;
class SignalExecResponse;
class StartExecRequest;
class StartExecResponse;
class UpdateEgressRequest;
class UpdateEgressResponse;
class UploadBlobRequest;
class UploadBlobResponse;
class WaitForPortRequest;
class WaitForPortResponse;
class WatchChangesRequest;
class WatchChangesResponse;
class WatchConnectionsRequest;
class WatchConnectionsResponse;
class WriteStdinRequest;
class WriteStdinResponse;
}  // namespace v1

// How long a call may take, and how to end it from another thread. For one call after the other.
class CallControl {
 public:
  CallControl() = default;
  // `limit` of each call.
  explicit CallControl(absl::Duration limit) : limit_(limit) {}
  CallControl(const CallControl&) = delete;
  CallControl& operator=(const CallControl&) = delete;

  // Ends the call that is made now, if one is, and all that come: CANCELLED. Any thread.
  void Cancel();
  bool cancelled() const;
  // Returns after `time`, or with false when cancelled.
  bool Wait(absl::Duration time);

 private:
  friend class ControlledCall;

  const absl::Duration limit_ = absl::InfiniteDuration();
  mutable std::mutex mutex_;
  std::condition_variable cancelled_changed_;
  bool cancelled_ = false;                  // guarded by mutex_
  grpc::ClientContext* context_ = nullptr;  // guarded by mutex_
};

// One request, one response. Errors as Connection::Explain gives them.
#define GLOVEBOX_CALL(Method)                                                   \
  absl::Status Call(Connection& connection, const v1::Method##Request& request, \
                    v1::Method##Response* response, CallControl* control = nullptr)
GLOVEBOX_CALL(CreateSandbox);
GLOVEBOX_CALL(GetSandbox);
GLOVEBOX_CALL(ListSandboxes);
GLOVEBOX_CALL(DeleteSandbox);
GLOVEBOX_CALL(ForkSandbox);
GLOVEBOX_CALL(PauseSandbox);
GLOVEBOX_CALL(ResumeSandbox);
GLOVEBOX_CALL(CheckpointSandbox);
GLOVEBOX_CALL(RestoreCheckpoint);
GLOVEBOX_CALL(ListCheckpoints);
GLOVEBOX_CALL(DeleteCheckpoint);
GLOVEBOX_CALL(StartExec);
GLOVEBOX_CALL(AcknowledgeOutput);
GLOVEBOX_CALL(GetExec);
GLOVEBOX_CALL(SignalExec);
GLOVEBOX_CALL(ResizeTerminal);
GLOVEBOX_CALL(WriteStdin);
GLOVEBOX_CALL(ListChanges);
GLOVEBOX_CALL(CompareSandboxes);
GLOVEBOX_CALL(CommitChanges);
GLOVEBOX_CALL(ListSnapshots);
GLOVEBOX_CALL(CaptureSandbox);
GLOVEBOX_CALL(DeleteSnapshot);
GLOVEBOX_CALL(FindMissingBlobs);
GLOVEBOX_CALL(BatchUpdateBlobs);
GLOVEBOX_CALL(ListImages);
GLOVEBOX_CALL(DeleteImage);
GLOVEBOX_CALL(SetCache);
GLOVEBOX_CALL(ListCaches);
GLOVEBOX_CALL(ListListeningPorts);
GLOVEBOX_CALL(WaitForPort);
GLOVEBOX_CALL(UpdateEgress);
GLOVEBOX_CALL(DeleteCache);
GLOVEBOX_CALL(CreateSecret);
GLOVEBOX_CALL(ListSecrets);
GLOVEBOX_CALL(DeleteSecret);
GLOVEBOX_CALL(GetNode);
#undef GLOVEBOX_CALL

// One request, a stream of responses, each shown to `each`; an error of `each` ends the call and is
// returned.
absl::Status CallStream(Connection& connection, const v1::DiffSandboxRequest& request,
                        const std::function<absl::Status(v1::DiffSandboxResponse&)>& each);
absl::Status CallStream(Connection& connection, const v1::WatchChangesRequest& request,
                        const std::function<absl::Status(v1::WatchChangesResponse&)>& each);
absl::Status CallStream(Connection& connection, const v1::WatchConnectionsRequest& request,
                        const std::function<absl::Status(v1::WatchConnectionsResponse&)>& each);
absl::Status CallStream(Connection& connection, const v1::ExportBundleRequest& request,
                        const std::function<absl::Status(v1::ExportBundleResponse&)>& each);
absl::Status CallStream(Connection& connection, const v1::ImportSnapshotRequest& request,
                        const std::function<absl::Status(v1::ImportSnapshotResponse&)>& each);
absl::Status CallStream(Connection& connection, const v1::CollectGarbageRequest& request,
                        const std::function<absl::Status(v1::CollectGarbageResponse&)>& each);
absl::Status CallStream(Connection& connection, const v1::CheckStoreRequest& request,
                        const std::function<absl::Status(v1::CheckStoreResponse&)>& each);
absl::Status CallStream(Connection& connection, const v1::ImportImageRequest& request,
                        const std::function<absl::Status(v1::ImportImageResponse&)>& each);

// A stream of requests, one response. `next` fills in a message, or says false when there is no
// more; an error of it ends the call and is returned. The daemon may answer before.
absl::Status CallUpload(Connection& connection,
                        const std::function<absl::StatusOr<bool>(v1::UploadBlobRequest*)>& next,
                        v1::UploadBlobResponse* response, CallControl* control = nullptr);

}  // namespace glovebox

#endif  // GLOVEBOX_TOOLS_CALLS_H_
