#include "tools/glovebox/calls.h"

#include <grpcpp/client_context.h>

#include "tools/glovebox/controlled_call.h"
#include "tools/glovebox/stubs.h"

namespace glovebox {

void CallControl::Cancel() {
  const std::lock_guard<std::mutex> lock(mutex_);
  cancelled_ = true;
  if (context_ != nullptr) context_->TryCancel();
  cancelled_changed_.notify_all();
}

bool CallControl::Wait(absl::Duration time) {
  std::unique_lock<std::mutex> lock(mutex_);
  return !cancelled_changed_.wait_for(lock, absl::ToChronoNanoseconds(time),
                                      [this] { return cancelled_; });
}

bool CallControl::cancelled() const {
  const std::lock_guard<std::mutex> lock(mutex_);
  return cancelled_;
}

namespace {

template <typename Stub, typename Request, typename Response>
absl::Status Unary(Connection& connection, Stub& stub,
                   grpc::Status (Stub::*method)(grpc::ClientContext*, const Request&, Response*),
                   const Request& request, Response* response, CallControl* control) {
  ControlledCall call(control);
  const grpc::Status status = (stub.*method)(call.context(), request, response);
  if (status.ok()) return absl::OkStatus();
  if (control != nullptr && control->cancelled()) return absl::CancelledError("cancelled");
  return Explain(connection, status);
}

template <typename Response, typename Reader>
absl::Status ReadAll(Connection& connection, Reader& reader, grpc::ClientContext& context,
                     const std::function<absl::Status(Response&)>& each) {
  Response response;
  absl::Status status;
  while (status.ok() && reader.Read(&response)) status = each(response);
  if (!status.ok()) context.TryCancel();
  const grpc::Status end = reader.Finish();
  return status.ok() ? Explain(connection, end) : status;
}

}  // namespace

#define GLOVEBOX_CALL(service, Service, Method)                                                \
  absl::Status Call(Connection& connection, const v1::Method##Request& request,                \
                    v1::Method##Response* response, CallControl* control) {                    \
    return Unary(connection, *connection.stubs().service, &v1::Service::Stub::Method, request, \
                 response, control);                                                           \
  }
GLOVEBOX_CALL(sandboxes, SandboxService, CreateSandbox)
GLOVEBOX_CALL(sandboxes, SandboxService, GetSandbox)
GLOVEBOX_CALL(sandboxes, SandboxService, ListSandboxes)
GLOVEBOX_CALL(sandboxes, SandboxService, DeleteSandbox)
GLOVEBOX_CALL(sandboxes, SandboxService, ForkSandbox)
GLOVEBOX_CALL(sandboxes, SandboxService, PauseSandbox)
GLOVEBOX_CALL(sandboxes, SandboxService, ResumeSandbox)
GLOVEBOX_CALL(sandboxes, SandboxService, CheckpointSandbox)
GLOVEBOX_CALL(sandboxes, SandboxService, RestoreCheckpoint)
GLOVEBOX_CALL(sandboxes, SandboxService, ListCheckpoints)
GLOVEBOX_CALL(sandboxes, SandboxService, DeleteCheckpoint)
GLOVEBOX_CALL(execs, ExecService, StartExec)
GLOVEBOX_CALL(execs, ExecService, AcknowledgeOutput)
GLOVEBOX_CALL(execs, ExecService, GetExec)
GLOVEBOX_CALL(execs, ExecService, SignalExec)
GLOVEBOX_CALL(execs, ExecService, ResizeTerminal)
GLOVEBOX_CALL(execs, ExecService, WriteStdin)
GLOVEBOX_CALL(changes, ChangeService, ListChanges)
GLOVEBOX_CALL(changes, ChangeService, CompareSandboxes)
GLOVEBOX_CALL(changes, ChangeService, CommitChanges)
GLOVEBOX_CALL(snapshots, SnapshotService, ListSnapshots)
GLOVEBOX_CALL(snapshots, SnapshotService, CaptureSandbox)
GLOVEBOX_CALL(snapshots, SnapshotService, DeleteSnapshot)
GLOVEBOX_CALL(snapshots, SnapshotService, FindMissingBlobs)
GLOVEBOX_CALL(snapshots, SnapshotService, BatchUpdateBlobs)
GLOVEBOX_CALL(snapshots, SnapshotService, ListImages)
GLOVEBOX_CALL(snapshots, SnapshotService, DeleteImage)
GLOVEBOX_CALL(snapshots, SnapshotService, SetCache)
GLOVEBOX_CALL(snapshots, SnapshotService, ListCaches)
GLOVEBOX_CALL(network, NetworkService, ListListeningPorts)
GLOVEBOX_CALL(network, NetworkService, WaitForPort)
GLOVEBOX_CALL(network, NetworkService, UpdateEgress)
GLOVEBOX_CALL(snapshots, SnapshotService, DeleteCache)
GLOVEBOX_CALL(network, NetworkService, CreateSecret)
GLOVEBOX_CALL(network, NetworkService, ListSecrets)
GLOVEBOX_CALL(network, NetworkService, DeleteSecret)
GLOVEBOX_CALL(node, NodeService, GetNode)
#undef GLOVEBOX_CALL

absl::Status CallStream(Connection& connection, const v1::DiffSandboxRequest& request,
                        const std::function<absl::Status(v1::DiffSandboxResponse&)>& each) {
  grpc::ClientContext context;
  return ReadAll(connection, *connection.stubs().changes->DiffSandbox(&context, request), context,
                 each);
}

absl::Status CallStream(Connection& connection, const v1::WatchChangesRequest& request,
                        const std::function<absl::Status(v1::WatchChangesResponse&)>& each) {
  grpc::ClientContext context;
  return ReadAll(connection, *connection.stubs().changes->WatchChanges(&context, request), context,
                 each);
}

absl::Status CallStream(Connection& connection, const v1::WatchConnectionsRequest& request,
                        const std::function<absl::Status(v1::WatchConnectionsResponse&)>& each) {
  grpc::ClientContext context;
  return ReadAll(connection, *connection.stubs().network->WatchConnections(&context, request),
                 context, each);
}

absl::Status CallStream(Connection& connection, const v1::ExportBundleRequest& request,
                        const std::function<absl::Status(v1::ExportBundleResponse&)>& each) {
  grpc::ClientContext context;
  return ReadAll(connection, *connection.stubs().changes->ExportBundle(&context, request), context,
                 each);
}

absl::Status CallStream(Connection& connection, const v1::ImportSnapshotRequest& request,
                        const std::function<absl::Status(v1::ImportSnapshotResponse&)>& each) {
  grpc::ClientContext context;
  return ReadAll(connection, *connection.stubs().snapshots->ImportSnapshot(&context, request),
                 context, each);
}

absl::Status CallStream(Connection& connection, const v1::CollectGarbageRequest& request,
                        const std::function<absl::Status(v1::CollectGarbageResponse&)>& each) {
  grpc::ClientContext context;
  return ReadAll(connection, *connection.stubs().snapshots->CollectGarbage(&context, request),
                 context, each);
}

absl::Status CallStream(Connection& connection, const v1::CheckStoreRequest& request,
                        const std::function<absl::Status(v1::CheckStoreResponse&)>& each) {
  grpc::ClientContext context;
  return ReadAll(connection, *connection.stubs().snapshots->CheckStore(&context, request), context,
                 each);
}

absl::Status CallStream(Connection& connection, const v1::ImportImageRequest& request,
                        const std::function<absl::Status(v1::ImportImageResponse&)>& each) {
  grpc::ClientContext context;
  return ReadAll(connection, *connection.stubs().snapshots->ImportImage(&context, request), context,
                 each);
}

absl::Status CallUpload(Connection& connection,
                        const std::function<absl::StatusOr<bool>(v1::UploadBlobRequest*)>& next,
                        v1::UploadBlobResponse* response, CallControl* control) {
  ControlledCall call(control);
  const auto writer = connection.stubs().snapshots->UploadBlob(call.context(), response);
  absl::StatusOr<bool> more = true;
  for (bool written = true; written;) {
    v1::UploadBlobRequest message;
    more = next(&message);
    if (!more.ok()) call.context()->TryCancel();
    if (!more.ok() || !*more) break;
    written = writer->Write(message);  // else the answer is there
  }
  (void)writer->WritesDone();  // the end says what matters
  const grpc::Status end = writer->Finish();
  if (!more.ok()) return more.status();
  if (end.ok()) return absl::OkStatus();
  if (control != nullptr && control->cancelled()) return absl::CancelledError("cancelled");
  return Explain(connection, end);
}

}  // namespace glovebox
