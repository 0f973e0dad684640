#include "daemon/connection_acceptor.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <iterator>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "base/status.h"
#include "daemon/tcp_endpoint.h"
#include "grpcpp/server_posix.h"

namespace glovebox {
namespace {
// Without a free descriptor a waiting connection stays readable: look again only so often.
constexpr int kShortOfDescriptorsMs = 100;
}  // namespace

ConnectionAcceptor::ConnectionAcceptor(UnixListener listener, Tcp tcp, PeerPolicy policy,
                                       PeerRegistry* peers, grpc::Server* server, const Log* log,
                                       UniqueFd wake)
    : listener_(std::move(listener)),
      tcp_(std::move(tcp)),
      policy_(policy),
      peers_(peers),
      server_(server),
      log_(log),
      wake_(std::move(wake)),
      thread_([this] { Run(); }) {}

absl::StatusOr<std::unique_ptr<ConnectionAcceptor>> ConnectionAcceptor::Start(
    UnixListener listener, Tcp tcp, PeerPolicy policy, PeerRegistry* peers, grpc::Server* server,
    const Log* log) {
  UniqueFd wake(::eventfd(0, EFD_CLOEXEC));
  if (!wake.valid()) return ErrnoError(errno, "eventfd");
  return std::unique_ptr<ConnectionAcceptor>(new ConnectionAcceptor(
      std::move(listener), std::move(tcp), policy, peers, server, log, std::move(wake)));
}

ConnectionAcceptor::~ConnectionAcceptor() {
  const uint64_t one = 1;
  (void)!::write(wake_.get(), &one, sizeof one);  // cannot fail: the counter is far from full
  thread_.join();
}

void ConnectionAcceptor::Run() {
  for (;;) {
    pollfd waiting[] = {{wake_.get(), POLLIN, 0},
                        {listener_.fd(), POLLIN, 0},
                        {tcp_.socket.get(), POLLIN, 0}};  // poll passes over -1
    // While short of descriptors only the end is waited for.
    const nfds_t count = short_of_descriptors_ ? 1 : std::size(waiting);
    const int timeout_ms = short_of_descriptors_ ? kShortOfDescriptorsMs : -1;
    if (::poll(waiting, count, timeout_ms) < 0 && errno != EINTR) return;
    if ((waiting[0].revents & POLLIN) != 0) return;
    short_of_descriptors_ = false;
    // One of each, so that a flood at one door does not keep the other shut.
    if (waiting[1].revents != 0) AcceptUnix();
    if (waiting[2].revents != 0) AcceptTcp();
  }
}

UniqueFd ConnectionAcceptor::Accept(int listener_fd) {
  UniqueFd connection(::accept4(listener_fd, nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
  if (connection.valid()) return connection;
  short_of_descriptors_ = errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM;
  if (short_of_descriptors_) {
    log_->Write(LogLevel::kError, "a connection waits", {{"error", std::strerror(errno)}});
  }
  return connection;  // the client has gone, or there is nothing any more
}

void ConnectionAcceptor::AcceptUnix() {
  UniqueFd connection = Accept(listener_.fd());
  if (!connection.valid()) return;
  const absl::StatusOr<Peer> peer = PeerOf(connection.get());
  if (!peer.ok()) return LogRefusal(peer.status().message(), {});
  const LogFields who = {{"uid", absl::StrCat(peer->uid)},
                         {"gid", absl::StrCat(peer->gid)},
                         {"pid", absl::StrCat(peer->pid)}};
  if (!policy_.Allows(*peer)) return LogRefusal("not root, our user or in our group", who);
  const absl::Status added = peers_->Add(connection.get(), *peer);
  if (!added.ok()) return LogRefusal(added.message(), who);
  log_->Write(LogLevel::kDebug, "connection accepted", who);
  grpc::AddInsecureChannelFromFd(server_, connection.Release());
}

void ConnectionAcceptor::AcceptTcp() {
  UniqueFd connection = Accept(tcp_.socket.get());
  if (!connection.valid()) return;
  const absl::StatusOr<TcpEndpoint> peer = PeerEndpointOf(connection.get());
  if (!peer.ok()) return LogRefusal(peer.status().message(), {});
  const LogFields who = {{"address", peer->Text()}};
  const absl::Status added = peers_->AddTcp(connection.get(), *peer);
  if (!added.ok()) return LogRefusal(added.message(), who);
  log_->Write(LogLevel::kDebug, "connection accepted", who);
  const int on = 1;
  // As gRPC does for those that it accepts itself; without it answers come late, no more.
  (void)::setsockopt(connection.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  grpc::experimental::ExternalConnectionAcceptor::NewConnectionParameters parameters;
  parameters.listener_fd = tcp_.socket.get();
  parameters.fd = connection.Release();
  tcp_.grpc->HandleNewConnection(&parameters);
}

void ConnectionAcceptor::LogRefusal(absl::string_view why, const LogFields& who) {
  ++refusals_unlogged_;
  const absl::Time now = absl::Now();
  if (now - refusal_logged_ < absl::Seconds(1)) return;
  refusal_logged_ = now;
  LogFields fields = who;
  fields.emplace_back("why", std::string(why));
  fields.emplace_back("refused", absl::StrCat(std::exchange(refusals_unlogged_, 0)));
  log_->Write(LogLevel::kWarn, "connection refused", fields);
}

}  // namespace glovebox
