// Accepts connections for gRPC, which tells nothing about a unix socket's peer: each is checked
// against the policy before gRPC reads its first byte.
#ifndef GLOVEBOX_DAEMON_CONNECTION_ACCEPTOR_H_
#define GLOVEBOX_DAEMON_CONNECTION_ACCEPTOR_H_

#include <memory>
#include <thread>

#include "absl/status/statusor.h"
#include "base/unique_fd.h"
#include "daemon/logging.h"
#include "daemon/unix_listener.h"
#include "grpcpp/server_builder.h"

namespace glovebox {

class ConnectionAcceptor {
 public:
  // `sink`: of ServerBuilder::experimental().AddExternalConnectionAcceptor; its server has started.
  static absl::StatusOr<std::unique_ptr<ConnectionAcceptor>> Start(
      UnixListener listener, PeerPolicy policy,
      std::unique_ptr<grpc::experimental::ExternalConnectionAcceptor> sink, const Log* log);
  ~ConnectionAcceptor();  // ends the thread, closes and removes the socket

 private:
  ConnectionAcceptor(UnixListener listener, PeerPolicy policy,
                     std::unique_ptr<grpc::experimental::ExternalConnectionAcceptor> sink,
                     const Log* log, UniqueFd wake);
  void Run();
  void AcceptOne();

  UnixListener listener_;
  const PeerPolicy policy_;
  const std::unique_ptr<grpc::experimental::ExternalConnectionAcceptor> sink_;
  const Log* const log_;
  const UniqueFd wake_;  // eventfd: ends the thread
  bool short_of_descriptors_ = false;
  std::thread thread_;  // last: it uses all of the above
};

}  // namespace glovebox

#endif  // GLOVEBOX_DAEMON_CONNECTION_ACCEPTOR_H_
