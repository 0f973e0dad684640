// NodeService: the host and what it enforces (proto/glovebox/v1/node.proto).
#ifndef GLOVEBOX_SERVICE_NODE_SERVICE_H_
#define GLOVEBOX_SERVICE_NODE_SERVICE_H_

#include <cstdint>
#include <functional>
#include <string>
#include <utility>

#include "glovebox/v1/node.grpc.pb.h"
#include "service/service_deps.h"

namespace glovebox {

// What does not change while the daemon runs.
struct NodeFacts {
  v1::Node node;  // everything but the capacity's changing part
  std::string state_directory;
  // Free for new use now, 0 when it cannot be told. Thread-safe.
  std::function<uint64_t()> memory_available_bytes;
};

// Thread-safe.
class NodeService final : public v1::NodeService::CallbackService {
 public:
  NodeService(const ServiceDeps* deps, NodeFacts facts) : deps_(*deps), facts_(std::move(facts)) {}

  grpc::ServerUnaryReactor* GetNode(grpc::CallbackServerContext* context,
                                    const v1::GetNodeRequest* request,
                                    v1::GetNodeResponse* response) override;

 private:
  void FillCapacity(v1::Capacity* capacity) const;

  const ServiceDeps& deps_;
  const NodeFacts facts_;
};

}  // namespace glovebox

#endif  // GLOVEBOX_SERVICE_NODE_SERVICE_H_
