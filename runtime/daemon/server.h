// The gRPC server on the unix socket, and on TCP where that is configured: our services, health,
// reflection.
#ifndef GLOVEBOX_DAEMON_SERVER_H_
#define GLOVEBOX_DAEMON_SERVER_H_

#include <cstddef>
#include <memory>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "base/keepalive.h"
#include "daemon/connection_acceptor.h"
#include "daemon/front_door.h"
#include "daemon/logging.h"
#include "daemon/peer_registry.h"
#include "daemon/tls.h"
#include "daemon/unix_listener.h"
#include "grpcpp/server.h"
#include "service/rpc_observer.h"

namespace glovebox {

struct ServerOptions {
  std::string socket;
  std::optional<gid_t> socket_group;
  bool reflection = false;
  int client_pings_apart_ms = kClientPingsApartMs;
  // Who connects is noted there; outlives the server.
  PeerRegistry* peers = nullptr;
  std::string tcp_listen;  // "address:port"; "": none
  TlsPems tcp_pems;
  ConnectionLimits connections;  // those of `peers`; the front keeps them for strangers
};

// Thread-safe but for construction and destruction.
class Server {
 public:
  static constexpr int kMessageBytesMax = 4 << 20;
  // Of what gRPC holds for all connections together, messages that are not whole yet included.
  static constexpr size_t kBufferedBytesMax = size_t{128} << 20;
  static constexpr int kStreamsPerConnectionMax = 1024;

  // The services, `observer` and `log` outlive the server.
  static absl::StatusOr<std::unique_ptr<Server>> Start(const ServerOptions& options,
                                                       const std::vector<grpc::Service*>& services,
                                                       RpcObserver* observer, const Log* log);
  ~Server();

  int tcp_port() const { return tcp_port_; }  // 0: none

  // Health says NOT_SERVING; no new connection is taken, the socket file goes.
  void StopAccepting();
  // Waits until every call has ended, cancels those that have not after `grace`.
  void Shutdown(absl::Duration grace);

 private:
  explicit Server(std::unique_ptr<grpc::Server> server) : server_(std::move(server)) {}
  absl::Status OpenTcp(const ServerOptions& options, const Log* log);

  const std::unique_ptr<grpc::Server> server_;
  int tcp_port_ = 0;
  // Both end before the server.
  std::unique_ptr<FrontDoor> front_;  // serves open connections until then
  std::unique_ptr<ConnectionAcceptor> acceptor_;
};

}  // namespace glovebox

#endif  // GLOVEBOX_DAEMON_SERVER_H_
