// Accepts connections of the unix socket for gRPC, which tells nothing about such a socket's peer
// and puts no limit to connections: each is checked against the policy and registered before gRPC
// reads its first byte. Nothing here waits for a peer.
#ifndef GLOVEBOX_DAEMON_CONNECTION_ACCEPTOR_H_
#define GLOVEBOX_DAEMON_CONNECTION_ACCEPTOR_H_

#include <memory>
#include <thread>

#include "absl/status/statusor.h"
#include "base/unique_fd.h"
#include "daemon/logging.h"
#include "daemon/peer_registry.h"
#include "daemon/refusal_log.h"
#include "daemon/unix_listener.h"
#include "grpcpp/server.h"

namespace glovebox {

class ConnectionAcceptor {
 public:
  // `peers` and the server, which has started, outlive this object.
  static absl::StatusOr<std::unique_ptr<ConnectionAcceptor>> Start(UnixListener listener,
                                                                   PeerPolicy policy,
                                                                   PeerRegistry* peers,
                                                                   grpc::Server* server,
                                                                   const Log* log);
  ~ConnectionAcceptor();  // ends the thread, closes the socket and removes its file

 private:
  ConnectionAcceptor(UnixListener listener, PeerPolicy policy, PeerRegistry* peers,
                     grpc::Server* server, const Log* log, UniqueFd wake);
  void Run();
  void Accept();

  UnixListener listener_;
  const PeerPolicy policy_;
  PeerRegistry* const peers_;
  grpc::Server* const server_;
  const Log* const log_;
  const UniqueFd wake_;  // eventfd: ends the thread
  bool short_of_descriptors_ = false;
  RefusalLog refusals_;
  std::thread thread_;  // last: it uses all of the above
};

}  // namespace glovebox

#endif  // GLOVEBOX_DAEMON_CONNECTION_ACCEPTOR_H_
