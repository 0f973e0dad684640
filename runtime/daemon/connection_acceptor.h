// Accepts connections for gRPC, which tells nothing about a unix socket's peer and puts no limit to
// connections: each is checked against the policy and registered before gRPC reads its first byte.
// Nothing here waits for a peer.
#ifndef GLOVEBOX_DAEMON_CONNECTION_ACCEPTOR_H_
#define GLOVEBOX_DAEMON_CONNECTION_ACCEPTOR_H_

#include <memory>
#include <thread>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "base/unique_fd.h"
#include "daemon/logging.h"
#include "daemon/peer_registry.h"
#include "daemon/unix_listener.h"
#include "grpcpp/server.h"
#include "grpcpp/server_builder.h"

namespace glovebox {

class ConnectionAcceptor {
 public:
  // The TCP port; none where `socket` is invalid.
  struct Tcp {
    UniqueFd socket;
    std::unique_ptr<grpc::experimental::ExternalConnectionAcceptor> grpc;
  };
  // `peers` and the server, which has started, outlive this object.
  static absl::StatusOr<std::unique_ptr<ConnectionAcceptor>> Start(UnixListener listener, Tcp tcp,
                                                                   PeerPolicy policy,
                                                                   PeerRegistry* peers,
                                                                   grpc::Server* server,
                                                                   const Log* log);
  ~ConnectionAcceptor();  // ends the thread, closes the sockets and removes the unix one

 private:
  ConnectionAcceptor(UnixListener listener, Tcp tcp, PeerPolicy policy, PeerRegistry* peers,
                     grpc::Server* server, const Log* log, UniqueFd wake);
  void Run();
  UniqueFd Accept(int listener_fd);
  void AcceptUnix();
  void AcceptTcp();
  // Whoever is refused may try as often as it likes: a line a second says so.
  void LogRefusal(absl::string_view why, const LogFields& who);

  UnixListener listener_;
  const Tcp tcp_;
  const PeerPolicy policy_;
  PeerRegistry* const peers_;
  grpc::Server* const server_;
  const Log* const log_;
  const UniqueFd wake_;  // eventfd: ends the thread
  bool short_of_descriptors_ = false;
  absl::Time refusal_logged_ = absl::InfinitePast();
  uint64_t refusals_unlogged_ = 0;
  std::thread thread_;  // last: it uses all of the above
};

}  // namespace glovebox

#endif  // GLOVEBOX_DAEMON_CONNECTION_ACCEPTOR_H_
