#include "linux/tcp_socket.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstring>

#include "absl/strings/str_cat.h"
#include "base/status.h"

namespace glovebox {
namespace {

// -1 for what is no socket.
int IntegerOption(int fd, int option) {
  int value = -1;
  socklen_t size = sizeof value;
  return ::getsockopt(fd, SOL_SOCKET, option, &value, &size) == 0 ? value : -1;
}

void SetLinger(int fd, bool on) {
  const linger value{on ? 1 : 0, 0};
  (void)::setsockopt(fd, SOL_SOCKET, SO_LINGER, &value, sizeof value);  // fails for no TCP socket
}

absl::Status Broken(int error, const char* call) {
  return DetailedError(
      absl::StatusCode::kUnavailable,
      absl::StrCat("the connection broke (", call, ": ", std::strerror(error), ")"),
      {"CONNECTION_RESET", {{"errno", absl::StrCat(error)}}});
}

}  // namespace

absl::StatusOr<TcpSocket> TcpSocket::Adopt(UniqueFd fd) {
  const int family = IntegerOption(fd.get(), SO_DOMAIN);
  if ((family != AF_INET && family != AF_INET6) ||
      IntegerOption(fd.get(), SO_TYPE) != SOCK_STREAM ||
      IntegerOption(fd.get(), SO_PROTOCOL) != IPPROTO_TCP) {
    return absl::DataLossError("a descriptor that is no TCP socket");
  }
  // Small answers of interactive programs must not wait for the ones before them.
  const int on = 1;
  (void)::setsockopt(fd.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);  // slower without
  return TcpSocket(std::move(fd));
}

TcpSocket::~TcpSocket() {
  // close(2) waits for the linger time, on a socket that does not block too.
  if (fd_.valid()) SetLinger(fd_.get(), false);
}

int TcpSocket::ConnectionError() const {
  const int error = IntegerOption(fd_.get(), SO_ERROR);
  if (error != 0) return error;
  sockaddr_storage peer{}, own{};
  socklen_t size = sizeof peer;
  if (::getpeername(fd_.get(), reinterpret_cast<sockaddr*>(&peer), &size) != 0) {
    return errno == ENOTCONN ? EINPROGRESS : errno;
  }
  // Where nothing listens the kernel may have chosen the very port as the connection's own: then it
  // is connected to itself.
  socklen_t own_size = sizeof own;
  (void)::getsockname(fd_.get(), reinterpret_cast<sockaddr*>(&own), &own_size);  // as getpeername
  return std::memcmp(&peer, &own, sizeof own) == 0 ? ECONNREFUSED : 0;
}

absl::StatusOr<std::optional<bool>> TcpSocket::Receive(size_t bytes_max, std::string* data) const {
  const size_t before = data->size();
  data->resize(before + bytes_max);
  const ssize_t count = ::recv(fd_.get(), data->data() + before, bytes_max, MSG_DONTWAIT);
  const int error = errno;
  data->resize(before + (count > 0 ? static_cast<size_t>(count) : 0));
  if (count > 0) return true;
  if (count == 0) return false;
  if (error == EAGAIN || error == EINTR) return std::nullopt;
  return Broken(error, "recv");
}

absl::StatusOr<size_t> TcpSocket::Send(absl::string_view data) const {
  const ssize_t count = ::send(fd_.get(), data.data(), data.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
  if (count >= 0) return static_cast<size_t>(count);
  if (errno == EAGAIN || errno == EINTR) return 0;
  return Broken(errno, "send");
}

void TcpSocket::EndSending() const {
  (void)::shutdown(fd_.get(), SHUT_WR);  // a connection that broke needs no end
}

void TcpSocket::Break() {
  SetLinger(fd_.get(), true);  // of no time: close(2) resets and does not wait
  fd_.Reset();
}

}  // namespace glovebox
