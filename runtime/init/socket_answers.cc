#include "init/socket_answers.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include "linux/raw_syscalls.h"

namespace glovebox {
namespace {

// Written out: the C library's functions are not here.
constexpr uint16_t ToNetwork(uint16_t value) {
  return static_cast<uint16_t>(value << 8 | value >> 8);
}
constexpr uint32_t kLoopback = 0x0100007f;  // 127.0.0.1 in the order of the network
constexpr int kBacklog = 128;

// A descriptor, or -errno.
template <typename Address>
long BeginConnection(int family, const Address& address) {
  long fd = raw::Call(__NR_socket, family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, IPPROTO_TCP);
  if (fd < 0) return fd;
  long begun = raw::Call(__NR_connect, fd, &address, sizeof(address));
  if (begun >= 0 || begun == -EINPROGRESS) return fd;
  (void)raw::Close(static_cast<int>(fd));
  return begun;
}

long SetOption(long fd, int level, int option, int value) {
  return raw::Call(__NR_setsockopt, fd, level, option, &value, sizeof(value));
}

// Also beside one of an earlier daemon: init is user 0 of the sandbox, and no other user can share
// a port with it.
template <typename Address>
long Bind(int family, int type, const Address& address) {
  UniqueFd fd(
      static_cast<int>(raw::Call(__NR_socket, family, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0)));
  if (!fd.valid()) return fd.get();
  long done = SetOption(fd.get(), SOL_SOCKET, SO_REUSEPORT, 1);
  if (done >= 0 && family == AF_INET6) done = SetOption(fd.get(), IPPROTO_IPV6, IPV6_V6ONLY, 0);
  if (done >= 0) done = raw::Call(__NR_bind, fd.get(), &address, sizeof(address));
  if (done >= 0 && type == SOCK_STREAM) done = raw::Call(__NR_listen, fd.get(), kBacklog);
  return done < 0 ? done : fd.Release();
}

long BindIpv4(int type, uint16_t port, uint32_t host) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = ToNetwork(port);
  address.sin_addr.s_addr = host;
  return Bind(AF_INET, type, address);
}

long BindEverywhere(int type, uint16_t port) {
  sockaddr_in6 address{};
  address.sin6_family = AF_INET6;
  address.sin6_port = ToNetwork(port);
  long fd = Bind(AF_INET6, type, address);
  return fd == -EAFNOSUPPORT ? BindIpv4(type, port, 0) : fd;  // a host without IPv6
}

// A descriptor of the same socket.
long Another(long socket) {
  if (socket < 0) return socket;
  return raw::Fcntl(static_cast<int>(socket), F_DUPFD_CLOEXEC, 0);
}

}  // namespace

long SocketAnswers::OpenSocket(const OpenSocketBody& asked) const {
  switch (asked.kind) {
    case SocketKind::kConnectIpv4: {
      sockaddr_in address{};
      address.sin_family = AF_INET;
      address.sin_port = ToNetwork(asked.port);
      address.sin_addr.s_addr = kLoopback;
      return BeginConnection(AF_INET, address);
    }
    case SocketKind::kConnectIpv6: {
      sockaddr_in6 address{};
      address.sin6_family = AF_INET6;
      address.sin6_port = ToNetwork(asked.port);
      address.sin6_addr.s6_addr[15] = 1;
      return BeginConnection(AF_INET6, address);
    }
    case SocketKind::kDiag:
      return Another(diags_.ports);
    case SocketKind::kDiagOfClients:
      return Another(diags_.clients);
    case SocketKind::kListen:
      return BindEverywhere(SOCK_STREAM, asked.port);
    case SocketKind::kListenLoopback:
      return BindIpv4(SOCK_STREAM, asked.port, kLoopback);
    case SocketKind::kDatagrams:
      return BindEverywhere(SOCK_DGRAM, asked.port);
  }
  return -EINVAL;
}

void SocketAnswers::KeepDiags(const DiagSockets& diags) { diags_ = diags; }

bool SocketAnswers::Take(const OpenSocketBody& asked) {
  if (count_ == kSocketsAskedMax) return false;
  Answer& answer = owed_[(first_ + count_++) % kSocketsAskedMax];
  long made = OpenSocket(asked);
  answer.body = {asked.request, made < 0 ? static_cast<int32_t>(-made) : 0, 0};
  if (made >= 0) answer.socket.Reset(static_cast<int>(made));
  return true;
}

bool SocketAnswers::Flush(Connection* connection) {
  while (count_ > 0) {
    Answer& answer = owed_[first_];
    bool refused = false;
    if (!connection->Send(FrameKind::kSocket, 0, &answer.body, sizeof(answer.body),
                          answer.socket.get(), &refused)) {
      if (!refused) return false;
      answer.body.error = ETOOMANYREFS;
      answer.socket.Reset();
      continue;
    }
    answer.socket.Reset();
    first_ = (first_ + 1) % kSocketsAskedMax;
    --count_;
  }
  return true;
}

void SocketAnswers::Forget() {
  for (Answer& answer : owed_) answer.socket.Reset();
  first_ = count_ = 0;
}

}  // namespace glovebox
