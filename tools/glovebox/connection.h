// The way to the daemon: one channel, the services on it, and a useful answer when nobody is there.
#ifndef GLOVEBOX_TOOLS_CONNECTION_H_
#define GLOVEBOX_TOOLS_CONNECTION_H_

#include <grpcpp/channel.h>

#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "glovebox/v1/change.grpc.pb.h"
#include "glovebox/v1/exec.grpc.pb.h"
#include "glovebox/v1/node.grpc.pb.h"
#include "glovebox/v1/sandbox.grpc.pb.h"
#include "glovebox/v1/snapshot.grpc.pb.h"

namespace glovebox {

inline constexpr char kDefaultSocket[] = "/run/glovebox/glovebox.sock";

// Connects, sends nothing and closes again. UNAVAILABLE or PERMISSION_DENIED with the socket's path
// and what to do; INVALID_ARGUMENT when the path cannot be a socket's.
absl::Status ProbeSocket(const std::string& path);

// Thread-safe, as gRPC's channel and stubs are.
class Connection {
 public:
  // Fails as ProbeSocket does.
  static absl::StatusOr<std::unique_ptr<Connection>> Open(absl::string_view socket);

  // FromGrpc; when the daemon has gone meanwhile, ProbeSocket's words.
  absl::Status Explain(const grpc::Status& status) const;

  v1::SandboxService::Stub& sandboxes() { return *sandboxes_; }
  v1::ExecService::Stub& execs() { return *execs_; }
  v1::ChangeService::Stub& changes() { return *changes_; }
  v1::SnapshotService::Stub& snapshots() { return *snapshots_; }
  v1::NodeService::Stub& node() { return *node_; }

 private:
  Connection(std::string socket, const std::shared_ptr<grpc::Channel>& channel);

  const std::string socket_;
  const std::unique_ptr<v1::SandboxService::Stub> sandboxes_;
  const std::unique_ptr<v1::ExecService::Stub> execs_;
  const std::unique_ptr<v1::ChangeService::Stub> changes_;
  const std::unique_ptr<v1::SnapshotService::Stub> snapshots_;
  const std::unique_ptr<v1::NodeService::Stub> node_;
};

}  // namespace glovebox

#endif  // GLOVEBOX_TOOLS_CONNECTION_H_
