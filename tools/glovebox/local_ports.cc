#include "tools/glovebox/local_ports.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>

#include <cerrno>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/status.h"

namespace glovebox {
namespace {

constexpr int kBacklog = 128;

// Whoever is connected learns that the connection broke, and did not just end.
void Break(UniqueFd socket) {
  const linger at_once{1, 0};
  (void)::setsockopt(socket.get(), SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);  // or it ends
  socket.Reset();
}

}  // namespace

LocalPorts::LocalPorts(Connection& connection, std::string sandbox_id, Failed failed, UniqueFd stop)
    : connection_(connection),
      sandbox_id_(std::move(sandbox_id)),
      failed_(std::move(failed)),
      stop_(std::move(stop)) {}

absl::StatusOr<std::unique_ptr<LocalPorts>> LocalPorts::Make(Connection& connection,
                                                             std::string sandbox_id,
                                                             Failed failed) {
  UniqueFd stop(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!stop.valid()) return ErrnoError(errno, "eventfd");
  return std::unique_ptr<LocalPorts>(
      new LocalPorts(connection, std::move(sandbox_id), std::move(failed), std::move(stop)));
}

LocalPorts::~LocalPorts() { Reap(/*all=*/true); }

void LocalPorts::Stop() { (void)::eventfd_write(stop_.get(), 1); }

absl::StatusOr<uint16_t> LocalPorts::Listen(const PortPair& pair) {
  UniqueFd socket(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!socket.valid()) return ErrnoError(errno, "socket");
  const int on = 1;
  // A port whose last connections are not forgotten yet can be had again.
  (void)::setsockopt(socket.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(pair.local);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (::bind(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0 ||
      ::listen(socket.get(), kBacklog) != 0) {
    return ErrnoError(errno, absl::StrCat("cannot listen on 127.0.0.1:", pair.local));
  }
  socklen_t size = sizeof address;
  if (::getsockname(socket.get(), reinterpret_cast<sockaddr*>(&address), &size) != 0) {
    return ErrnoError(errno, "getsockname");
  }
  listeners_.push_back({std::move(socket), pair.remote});
  return ntohs(address.sin_port);
}

absl::Status LocalPorts::Serve() {
  for (;;) {
    std::vector<pollfd> wait{{stop_.get(), POLLIN, 0}};
    for (const Listener& listener : listeners_) wait.push_back({listener.socket.get(), POLLIN, 0});
    if (::poll(wait.data(), wait.size(), -1) < 0) {
      if (errno == EINTR) continue;
      return ErrnoError(errno, "poll");
    }
    if (wait[0].revents != 0) return absl::OkStatus();
    Reap(/*all=*/false);
    for (size_t i = 0; i < listeners_.size(); ++i) {
      if (wait[i + 1].revents != 0) Accept(listeners_[i]);
    }
  }
}

void LocalPorts::Accept(const Listener& listener) {
  UniqueFd socket(::accept4(listener.socket.get(), nullptr, nullptr, SOCK_CLOEXEC));
  if (!socket.valid()) return;  // who connected has gone
  const int on = 1;
  (void)::setsockopt(socket.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);  // slower without
  absl::StatusOr<std::unique_ptr<PortTunnel>> tunnel =
      PortTunnel::Make(connection_, sandbox_id_, listener.port);
  if (!tunnel.ok()) {
    (void)failed_(listener.port, tunnel.status());
    return Break(std::move(socket));
  }
  const std::lock_guard<std::mutex> lock(mutex_);
  Carried* const carried = &carried_.emplace_back();
  carried->tunnel = *std::move(tunnel);
  carried->thread = std::thread([this, carried, port = listener.port, fd = socket.Release()] {
    Carry(carried, UniqueFd(fd), port);
  });
}

void LocalPorts::Carry(Carried* carried, UniqueFd socket, uint16_t port) {
  const int fd = socket.get();
  const absl::Status ended = carried->tunnel->Carry(fd, fd, [fd] {
    (void)::shutdown(fd, SHUT_WR);  // fails when that side has gone
  });
  if (!ended.ok()) {
    Break(std::move(socket));
    if (!absl::IsCancelled(ended) && failed_(port, ended)) Stop();
  }
  const std::lock_guard<std::mutex> lock(mutex_);
  carried->done = true;
}

void LocalPorts::Reap(bool all) {
  std::list<Carried> ended;
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    for (auto it = carried_.begin(); it != carried_.end();) {
      const auto next = std::next(it);
      if (all) it->tunnel->Cancel();
      if (all || it->done) ended.splice(ended.end(), carried_, it);
      it = next;
    }
  }
  for (Carried& one : ended) one.thread.join();
}

}  // namespace glovebox
