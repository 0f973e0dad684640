#include "service/node_service.h"

#include <sys/statvfs.h>

#include "service/unary_call.h"

namespace glovebox {

void NodeService::FillCapacity(v1::Capacity* capacity) const {
  capacity->set_memory_available_bytes(facts_.memory_available_bytes());
  struct statvfs disk {};
  if (::statvfs(facts_.state_directory.c_str(), &disk) == 0) {
    capacity->set_disk_bytes(disk.f_blocks * disk.f_frsize);
    capacity->set_disk_available_bytes(disk.f_bavail * disk.f_frsize);
  }
  uint32_t sandboxes = 0;
  uint32_t open_execs = 0;
  uint64_t promised = 0;
  for (const SandboxInfo& info : deps_.sandboxes->List()) {
    ++sandboxes;
    promised += info.limits.memory_bytes;
    auto sandbox = deps_.sandboxes->Find(info.id);
    if (!sandbox.ok()) continue;  // deleted meanwhile
    for (const auto& exec : (*sandbox)->ListExecs()) {
      open_execs += exec->Snapshot().result.has_value() ? 0 : 1;
    }
  }
  capacity->set_sandboxes(sandboxes);
  capacity->set_open_execs(open_execs);
  capacity->set_memory_promised_bytes(promised);
}

grpc::ServerUnaryReactor* NodeService::GetNode(grpc::CallbackServerContext* /*context*/,
                                               const v1::GetNodeRequest* /*request*/,
                                               v1::GetNodeResponse* response) {
  return UnaryCall::Run(deps_, {"NodeService/GetNode"}, deps_.calls,
                        [this, response](const UnaryCall&) {
                          *response->mutable_node() = facts_.node;
                          FillCapacity(response->mutable_node()->mutable_capacity());
                          return absl::OkStatus();
                        });
}

}  // namespace glovebox
