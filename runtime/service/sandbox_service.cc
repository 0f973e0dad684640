#include "service/sandbox_service.h"

#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "service/convert_sandbox.h"
#include "service/convert_time.h"
#include "service/find_sandbox.h"
#include "service/request_error.h"
#include "service/status.h"

namespace glovebox {

v1::Sandbox SandboxService::Show(const Caller& caller, const SandboxInfo& info) const {
  v1::Sandbox sandbox = ToProto(info, deps_.host_id);
  *sandbox.mutable_enforcement() = {enforcement_.begin(), enforcement_.end()};
  *sandbox.add_enforcement() = SeccompEnforcement(info);
  // The image of that name cannot have been deleted or replaced: the sandbox holds it.
  if (auto image = deps_.sandboxes->images()->Find(info.image); image.ok()) {
    sandbox.set_image_digest(image->digest);
  }
  if (auto found = deps_.sandboxes->Find(caller, info.id); found.ok()) {
    uint32_t open = 0;
    for (const auto& exec : (*found)->ListExecs()) open += exec->Snapshot().result ? 0 : 1;
    sandbox.set_open_exec_count(open);
  }
  return sandbox;
}

absl::Status SandboxService::Create(const v1::CreateSandboxRequest& request, const UnaryCall& call,
                                    v1::CreateSandboxResponse* response) const {
  RETURN_IF_ERROR(
      CheckRequirements({request.require().begin(), request.require().end()}, capabilities_));
  ASSIGN_OR_RETURN(const CreateOptions options, FromProto(request, deps_.limits));
  ASSIGN_OR_RETURN(const SandboxInfo info, deps_.sandboxes->Create(call.caller(), options));
  call.report().SetSandbox(info.id);
  if (call.cancelled() && options.request_id.empty()) {
    // NOT_FOUND, if somebody who listed it was quicker.
    (void)deps_.sandboxes->Delete(call.caller(), info.id);
    return CallCancelled();
  }
  *response->mutable_sandbox() = Show(call.caller(), info);
  return absl::OkStatus();
}

grpc::ServerUnaryReactor* SandboxService::CreateSandbox(grpc::CallbackServerContext* context,
                                                        const v1::CreateSandboxRequest* request,
                                                        v1::CreateSandboxResponse* response) {
  WorkQueue* const queue = request->has_repository() ? deps_.transfers : deps_.calls;
  return UnaryCall::Run(deps_, *context, {"SandboxService/CreateSandbox"}, queue,
                        [this, request, response](const UnaryCall& call) {
                          return Create(*request, call, response);
                        });
}

grpc::ServerUnaryReactor* SandboxService::GetSandbox(grpc::CallbackServerContext* context,
                                                     const v1::GetSandboxRequest* request,
                                                     v1::GetSandboxResponse* response) {
  return UnaryCall::Run(
      deps_, *context, {"SandboxService/GetSandbox", request->sandbox_id()}, deps_.calls,
      [this, request, response](const UnaryCall& call) -> absl::Status {
        ASSIGN_OR_RETURN(const SandboxInfo info,
                         deps_.sandboxes->Get(call.caller(), request->sandbox_id()));
        *response->mutable_sandbox() = Show(call.caller(), info);
        return absl::OkStatus();
      });
}

absl::Status SandboxService::List(const Caller& caller, const v1::ListSandboxesRequest& request,
                                  v1::ListSandboxesResponse* response) const {
  ASSIGN_OR_RETURN(const int32_t size, PageSize(request.page_size()));
  // A map has no order when it is written; its size and the sum of its hashes tell filters apart.
  size_t filter_hash = 0;
  for (const auto& [key, value] : request.label_filter()) {
    filter_hash += std::hash<std::string>{}(absl::StrCat(key.size(), "=", key, value));
  }
  v1::ListSandboxesRequest rest = WithoutPage(request);
  rest.clear_label_filter();
  const std::string query = absl::StrCat("ListSandboxes\n", request.label_filter_size(), "\n",
                                         filter_hash, "\n", rest.SerializeAsString());
  ASSIGN_OR_RETURN(const std::string after, deps_.page_tokens->Read(query, request.page_token()));
  ASSIGN_OR_RETURN(std::vector<SandboxInfo> infos, deps_.sandboxes->ListAll(caller));
  std::erase_if(infos, [&](const SandboxInfo& info) { return !Matches(info, request); });
  const std::string last = TakePage<SandboxInfo>(
      infos, after, size,
      [](const SandboxInfo& info) {
        return absl::StrCat(SortableKey(static_cast<uint64_t>(absl::ToUnixNanos(info.created))),
                            info.id);
      },
      [&](const SandboxInfo& info) {
        *response->add_sandboxes() = Show(caller, info);
        return response->sandboxes().rbegin()->ByteSizeLong();
      });
  if (!last.empty()) response->set_next_page_token(deps_.page_tokens->Make(query, last));
  return absl::OkStatus();
}

grpc::ServerUnaryReactor* SandboxService::ListSandboxes(grpc::CallbackServerContext* context,
                                                        const v1::ListSandboxesRequest* request,
                                                        v1::ListSandboxesResponse* response) {
  return UnaryCall::Run(deps_, *context, {"SandboxService/ListSandboxes"}, deps_.calls,
                        [this, request, response](const UnaryCall& call) {
                          return List(call.caller(), *request, response);
                        });
}

grpc::ServerUnaryReactor* SandboxService::DeleteSandbox(grpc::CallbackServerContext* context,
                                                        const v1::DeleteSandboxRequest* request,
                                                        v1::DeleteSandboxResponse* /*response*/) {
  return UnaryCall::Run(deps_, *context, {"SandboxService/DeleteSandbox", request->sandbox_id()},
                        deps_.calls, [this, request](const UnaryCall& call) -> absl::Status {
                          absl::Status deleted = deps_.sandboxes->Delete(
                              call.caller(), request->sandbox_id(),
                              request->wait() ? Sandbox::CleanUp::kWait : Sandbox::CleanUp::kQueue);
                          if (request->allow_missing() && absl::IsNotFound(deleted)) {
                            return absl::OkStatus();
                          }
                          return deleted;
                        });
}

grpc::ServerUnaryReactor* SandboxService::PauseSandbox(grpc::CallbackServerContext* context,
                                                       const v1::PauseSandboxRequest* request,
                                                       v1::PauseSandboxResponse* response) {
  return UnaryCall::Run(
      deps_, *context, {"SandboxService/PauseSandbox", request->sandbox_id()}, deps_.pauses,
      [this, request, response](const UnaryCall& call) -> absl::Status {
        ASSIGN_OR_RETURN(const SandboxInfo info,
                         deps_.sandboxes->Pause(call.caller(), request->sandbox_id()));
        *response->mutable_sandbox() = Show(call.caller(), info);
        return absl::OkStatus();
      });
}

grpc::ServerUnaryReactor* SandboxService::ResumeSandbox(grpc::CallbackServerContext* context,
                                                        const v1::ResumeSandboxRequest* request,
                                                        v1::ResumeSandboxResponse* response) {
  return UnaryCall::Run(
      deps_, *context, {"SandboxService/ResumeSandbox", request->sandbox_id()}, deps_.pauses,
      [this, request, response](const UnaryCall& call) -> absl::Status {
        ASSIGN_OR_RETURN(const SandboxInfo info,
                         deps_.sandboxes->Resume(call.caller(), request->sandbox_id()));
        *response->mutable_sandbox() = Show(call.caller(), info);
        return absl::OkStatus();
      });
}

absl::Status SandboxService::Fork(const v1::ForkSandboxRequest& request, const UnaryCall& call,
                                  v1::ForkSandboxResponse* response) const {
  ASSIGN_OR_RETURN(const ForkOptions options, FromProto(request, deps_.limits));
  ASSIGN_OR_RETURN(const ForkOutcome outcome,
                   deps_.sandboxes->Fork(call.caller(), request.sandbox_id(), options));
  std::vector<std::string> children;
  const bool nobody_knows = call.cancelled() && options.request_id.empty();
  for (const absl::StatusOr<SandboxInfo>& child : outcome.children) {
    v1::ForkResult* result = response->add_results();
    if (!child.ok()) {
      *result->mutable_error() = ToRpcStatus(child.status());
      continue;
    }
    children.push_back(child->id);
    if (nobody_knows) {
      (void)deps_.sandboxes->Delete(call.caller(), child->id);  // as in Create
    } else {
      *result->mutable_sandbox() = Show(call.caller(), *child);
    }
  }
  call.report().SetChildren(std::move(children));
  if (nobody_knows) return CallCancelled();
  if (outcome.frozen.has_value()) {
    *response->mutable_frozen_time() = ToProtoDuration(*outcome.frozen);
  }
  response->set_processes_not_copied(outcome.processes_not_copied);
  return absl::OkStatus();
}

grpc::ServerUnaryReactor* SandboxService::ForkSandbox(grpc::CallbackServerContext* context,
                                                      const v1::ForkSandboxRequest* request,
                                                      v1::ForkSandboxResponse* response) {
  return UnaryCall::Run(
      deps_, *context, {"SandboxService/ForkSandbox", request->sandbox_id()}, deps_.transfers,
      [this, request, response](const UnaryCall& call) { return Fork(*request, call, response); });
}

grpc::ServerUnaryReactor* SandboxService::GetUsage(grpc::CallbackServerContext* context,
                                                   const v1::GetUsageRequest* request,
                                                   v1::GetUsageResponse* response) {
  return UnaryCall::Run(
      deps_, *context, {"SandboxService/GetUsage", request->sandbox_id()}, deps_.calls,
      [this, request, response](const UnaryCall& call) -> absl::Status {
        ASSIGN_OR_RETURN(const auto sandbox,
                         FindSandbox(deps_, call.caller(), request->sandbox_id()));
        ASSIGN_OR_RETURN(const SandboxUsage usage, sandbox->Usage());
        *response->mutable_read_time() = ToProtoTime(deps_.clock->Now());
        *response->mutable_cpu_time() =
            ToProtoDuration(absl::Microseconds(static_cast<int64_t>(usage.cpu_us)));
        response->set_memory_bytes(usage.memory_bytes);
        if (usage.memory_peak_bytes != 0) {
          response->set_memory_peak_bytes(usage.memory_peak_bytes);
        }
        response->set_processes(usage.pids);
        response->set_disk_bytes(usage.disk_bytes_used);
        response->set_disk_inodes(usage.disk_inodes_used);
        response->set_oom_kills(usage.oom_kills);
        return absl::OkStatus();
      });
}

}  // namespace glovebox
