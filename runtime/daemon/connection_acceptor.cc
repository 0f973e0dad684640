#include "daemon/connection_acceptor.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <iterator>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "grpcpp/server_posix.h"

namespace glovebox {
namespace {
// Without a free descriptor a waiting connection stays readable: look again only so often.
constexpr int kShortOfDescriptorsMs = 100;
}  // namespace

ConnectionAcceptor::ConnectionAcceptor(UnixListener listener, PeerPolicy policy,
                                       PeerRegistry* peers, grpc::Server* server, const Log* log,
                                       UniqueFd wake)
    : listener_(std::move(listener)),
      policy_(policy),
      peers_(peers),
      server_(server),
      log_(log),
      wake_(std::move(wake)),
      refusals_(log),
      thread_([this] { Run(); }) {}

absl::StatusOr<std::unique_ptr<ConnectionAcceptor>> ConnectionAcceptor::Start(UnixListener listener,
                                                                              PeerPolicy policy,
                                                                              PeerRegistry* peers,
                                                                              grpc::Server* server,
                                                                              const Log* log) {
  UniqueFd wake(::eventfd(0, EFD_CLOEXEC));
  if (!wake.valid()) return ErrnoError(errno, "eventfd");
  return std::unique_ptr<ConnectionAcceptor>(
      new ConnectionAcceptor(std::move(listener), policy, peers, server, log, std::move(wake)));
}

ConnectionAcceptor::~ConnectionAcceptor() {
  const uint64_t one = 1;
  (void)!::write(wake_.get(), &one, sizeof one);  // cannot fail: the counter is far from full
  thread_.join();
}

void ConnectionAcceptor::Run() {
  for (;;) {
    pollfd waiting[] = {{wake_.get(), POLLIN, 0}, {listener_.fd(), POLLIN, 0}};
    // While short of descriptors only the end is waited for.
    const nfds_t count = short_of_descriptors_ ? 1 : std::size(waiting);
    const int timeout_ms = short_of_descriptors_ ? kShortOfDescriptorsMs : -1;
    if (::poll(waiting, count, timeout_ms) < 0 && errno != EINTR) return;
    if ((waiting[0].revents & POLLIN) != 0) return;
    short_of_descriptors_ = false;
    if (waiting[1].revents != 0) Accept();
  }
}

void ConnectionAcceptor::Accept() {
  UniqueFd connection(::accept4(listener_.fd(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
  if (!connection.valid()) {
    short_of_descriptors_ =
        errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM;
    if (!short_of_descriptors_) return;  // the client has gone, or there is nothing any more
    return log_->Write(LogLevel::kError, "a connection waits", {{"error", std::strerror(errno)}});
  }
  const absl::StatusOr<Peer> peer = PeerOf(connection.get());
  if (!peer.ok()) return refusals_.Write("unix", peer.status().message(), {});
  const LogFields who = {{"uid", absl::StrCat(peer->uid)},
                         {"gid", absl::StrCat(peer->gid)},
                         {"pid", absl::StrCat(peer->pid)}};
  if (!policy_.Allows(*peer)) {
    return refusals_.Write("unix", "not root, our user or in our group", who);
  }
  const absl::Status added = peers_->Add(connection.get(), *peer);
  if (!added.ok()) return refusals_.Write("unix", added.message(), who);
  log_->Write(LogLevel::kDebug, "connection accepted", who);
  grpc::AddInsecureChannelFromFd(server_, connection.Release());
}

}  // namespace glovebox
