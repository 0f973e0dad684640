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
  const SandboxAccess::HostUse use = deps_.sandboxes->Use();
  capacity->set_sandboxes(use.sandboxes);
  capacity->set_open_execs(use.open_execs);
  capacity->set_memory_promised_bytes(use.memory_promised_bytes);
}

grpc::ServerUnaryReactor* NodeService::GetNode(grpc::CallbackServerContext* context,
                                               const v1::GetNodeRequest* /*request*/,
                                               v1::GetNodeResponse* response) {
  return UnaryCall::Run(deps_, *context, {"NodeService/GetNode"}, deps_.calls,
                        [this, response](const UnaryCall&) {
                          *response->mutable_node() = facts_.node;
                          FillCapacity(response->mutable_node()->mutable_capacity());
                          return absl::OkStatus();
                        });
}

}  // namespace glovebox
