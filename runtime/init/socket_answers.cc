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
      if (diag_ < 0) return diag_;
      return raw::Fcntl(static_cast<int>(diag_), F_DUPFD_CLOEXEC, 0);
  }
  return -EINVAL;
}

void SocketAnswers::KeepDiag(long diag) { diag_ = diag; }

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
