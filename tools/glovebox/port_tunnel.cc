#include "tools/glovebox/port_tunnel.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <thread>
#include <vector>

#include "base/status.h"

namespace glovebox {
namespace {

constexpr size_t kPieceBytes = size_t{64} * 1024;

bool WriteAll(int fd, absl::string_view data) {
  while (!data.empty()) {
    const ssize_t count = ::write(fd, data.data(), data.size());
    if (count < 0 && errno == EINTR) continue;
    if (count < 0 && errno == EAGAIN) {
      pollfd wait{fd, POLLOUT, 0};
      (void)::poll(&wait, 1, -1);  // the next write tells what there is
      continue;
    }
    if (count < 0) return false;
    data.remove_prefix(static_cast<size_t>(count));
  }
  return true;
}

}  // namespace

absl::StatusOr<std::unique_ptr<PortTunnel>> PortTunnel::Make(Connection& connection,
                                                             const std::string& sandbox_id,
                                                             uint16_t port) {
  UniqueFd stop(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!stop.valid()) return ErrnoError(errno, "eventfd");
  return std::unique_ptr<PortTunnel>(new PortTunnel(connection, sandbox_id, port, std::move(stop)));
}

void PortTunnel::Cancel() {
  stream_.Cancel();
  (void)::eventfd_write(stop_.get(), 1);
}

void PortTunnel::SendAll(int in_fd) {
  std::vector<char> piece(kPieceBytes);
  for (;;) {
    std::array<pollfd, 2> wait{{{in_fd, POLLIN, 0}, {stop_.get(), POLLIN, 0}}};
    if (::poll(wait.data(), wait.size(), -1) < 0) continue;
    if (wait[1].revents != 0) return;
    const ssize_t count = ::read(in_fd, piece.data(), piece.size());
    if (count < 0 && (errno == EINTR || errno == EAGAIN)) continue;
    if (count < 0) return stream_.Cancel();  // our side broke it off
    if (count == 0) return stream_.EndWriting();
    if (!stream_.Write({piece.data(), static_cast<size_t>(count)})) return;
  }
}

absl::Status PortTunnel::Carry(int in_fd, int out_fd, const std::function<void()>& ended) {
  std::thread sender;
  std::string data;
  bool end = false, broken = false;
  while (stream_.Read(&data, &end)) {
    if (!sender.joinable()) sender = std::thread([this, in_fd] { SendAll(in_fd); });
    if (!broken && !WriteAll(out_fd, data)) {
      broken = true;
      stream_.Cancel();
    }
    if (end) ended();
  }
  (void)::eventfd_write(stop_.get(), 1);
  if (sender.joinable()) sender.join();
  return stream_.Finish();
}

}  // namespace glovebox
