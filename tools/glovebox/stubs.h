// gRPC's half of Connection: for the few files that speak gRPC themselves.
#ifndef GLOVEBOX_TOOLS_STUBS_H_
#define GLOVEBOX_TOOLS_STUBS_H_

#include <grpcpp/support/status.h>

#include <memory>

#include "glovebox/v1/change.grpc.pb.h"
#include "glovebox/v1/exec.grpc.pb.h"
#include "glovebox/v1/file.grpc.pb.h"
#include "glovebox/v1/network.grpc.pb.h"
#include "glovebox/v1/node.grpc.pb.h"
#include "glovebox/v1/sandbox.grpc.pb.h"
#include "glovebox/v1/snapshot.grpc.pb.h"
#include "tools/glovebox/connection.h"

namespace glovebox {

// Thread-safe, as gRPC's stubs are.
struct Stubs {
  std::unique_ptr<v1::SandboxService::Stub> sandboxes;
  std::unique_ptr<v1::ExecService::Stub> execs;
  std::unique_ptr<v1::ChangeService::Stub> changes;
  std::unique_ptr<v1::SnapshotService::Stub> snapshots;
  std::unique_ptr<v1::NodeService::Stub> node;
  std::unique_ptr<v1::FileService::Stub> files;
  std::unique_ptr<v1::NetworkService::Stub> network;
};

// The message, the google.rpc.ErrorInfo as detail, and the violated fields of a
// google.rpc.BadRequest in the message.
absl::Status FromGrpc(const grpc::Status& status);

// FromGrpc; when the daemon has gone meanwhile, ProbeSocket's words.
absl::Status Explain(const Connection& connection, const grpc::Status& status);

}  // namespace glovebox

#endif  // GLOVEBOX_TOOLS_STUBS_H_
