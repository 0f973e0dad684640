// SandboxService: checkpoints.
#include "absl/strings/str_cat.h"
#include "base/ids.h"
#include "base/status.h"
#include "service/convert_time.h"
#include "service/find_sandbox.h"
#include "service/paging.h"
#include "service/sandbox_service.h"

namespace glovebox {
namespace {

v1::Checkpoint ToProto(const CheckpointInfo& info) {
  v1::Checkpoint proto;
  proto.set_checkpoint_id(info.id);
  *proto.mutable_create_time() = ToProtoTime(info.created);
  proto.set_disk_bytes(info.bytes);
  return proto;
}

}  // namespace

grpc::ServerUnaryReactor* SandboxService::CheckpointSandbox(
    grpc::CallbackServerContext* context, const v1::CheckpointSandboxRequest* request,
    v1::CheckpointSandboxResponse* response) {
  return UnaryCall::Run(
      deps_, *context, {"SandboxService/CheckpointSandbox", request->sandbox_id()}, deps_.transfers,
      [this, request, response](const UnaryCall& call) -> absl::Status {
        std::string name;
        if (request->has_checkpoint_id()) {
          ASSIGN_OR_RETURN(name, ParseClientName(request->checkpoint_id(), "checkpoint_id"));
        }
        ASSIGN_OR_RETURN(
            const CheckpointInfo info,
            deps_.sandboxes->TakeCheckpoint(call.caller(), request->sandbox_id(), name));
        *response->mutable_checkpoint() = ToProto(info);
        if (info.frozen.has_value()) {
          *response->mutable_frozen_time() = ToProtoDuration(*info.frozen);
        }
        return absl::OkStatus();
      });
}

grpc::ServerUnaryReactor* SandboxService::RestoreCheckpoint(
    grpc::CallbackServerContext* context, const v1::RestoreCheckpointRequest* request,
    v1::RestoreCheckpointResponse* response) {
  return UnaryCall::Run(
      deps_, *context, {"SandboxService/RestoreCheckpoint", request->sandbox_id()}, deps_.transfers,
      [this, request, response](const UnaryCall& call) -> absl::Status {
        ASSIGN_OR_RETURN(const std::string name,
                         ParseClientName(request->checkpoint_id(), "checkpoint_id"));
        ASSIGN_OR_RETURN(const SandboxInfo info, deps_.sandboxes->RestoreCheckpoint(
                                                     call.caller(), request->sandbox_id(), name));
        *response->mutable_sandbox() = Show(call.caller(), info);
        return absl::OkStatus();
      });
}

absl::Status SandboxService::List(const Caller& caller, const v1::ListCheckpointsRequest& request,
                                  v1::ListCheckpointsResponse* response) const {
  ASSIGN_OR_RETURN(const std::vector<CheckpointInfo> list,
                   deps_.sandboxes->ListCheckpoints(caller, request.sandbox_id()));
  ASSIGN_OR_RETURN(const int32_t size, PageSize(request.page_size()));
  const std::string query =
      absl::StrCat("ListCheckpoints\n", WithoutPage(request).SerializeAsString());
  ASSIGN_OR_RETURN(const std::string after, deps_.page_tokens->Read(query, request.page_token()));
  const std::string last = TakePage<CheckpointInfo>(
      list, after, size,
      [](const CheckpointInfo& info) {
        return absl::StrCat(SortableKey(static_cast<uint64_t>(absl::ToUnixNanos(info.created))),
                            info.id);
      },
      [&](const CheckpointInfo& info) {
        *response->add_checkpoints() = ToProto(info);
        return response->checkpoints().rbegin()->ByteSizeLong();
      });
  if (!last.empty()) response->set_next_page_token(deps_.page_tokens->Make(query, last));
  return absl::OkStatus();
}

grpc::ServerUnaryReactor* SandboxService::ListCheckpoints(grpc::CallbackServerContext* context,
                                                          const v1::ListCheckpointsRequest* request,
                                                          v1::ListCheckpointsResponse* response) {
  return UnaryCall::Run(deps_, *context, {"SandboxService/ListCheckpoints", request->sandbox_id()},
                        deps_.calls, [this, request, response](const UnaryCall& call) {
                          return List(call.caller(), *request, response);
                        });
}

grpc::ServerUnaryReactor* SandboxService::DeleteCheckpoint(
    grpc::CallbackServerContext* context, const v1::DeleteCheckpointRequest* request,
    v1::DeleteCheckpointResponse* /*response*/) {
  return UnaryCall::Run(
      deps_, *context, {"SandboxService/DeleteCheckpoint", request->sandbox_id()}, deps_.calls,
      [this, request](const UnaryCall& call) -> absl::Status {
        ASSIGN_OR_RETURN(const std::string name,
                         ParseClientName(request->checkpoint_id(), "checkpoint_id"));
        return deps_.sandboxes->DeleteCheckpoint(call.caller(), request->sandbox_id(), name);
      });
}

}  // namespace glovebox
