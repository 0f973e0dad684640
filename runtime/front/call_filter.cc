#include "front/call_filter.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/syscall.h>

namespace glovebox {
namespace {

constexpr uint32_t kAll = kWholeArgument;

}  // namespace

const std::vector<AllowedCall>& FrontCalls() {
  static const auto& calls = *new std::vector<AllowedCall>(WithCallsOfEveryProcess({
      ALLOWED_CALL(read, "bytes of clients and of the daemon"),
      ALLOWED_CALL(write, "the same, to them"),
      ALLOWED_CALL(epoll_wait, "one thread for all connections"),
      ALLOWED_CALL(epoll_ctl, "a connection comes"),
      ALLOWED_CALL(close, "a connection goes"),
      ALLOWED_CALL(shutdown, "one direction of a connection ends"),
      ALLOWED_CALL(accept4, "of the listening socket, which the daemon made"),
      ALLOWED_CALL(sendmsg, "a connection is handed to the daemon"),
      ALLOWED_CALL(socketpair, "both ends of it, of unix streams alone", {0, kAll, AF_UNIX},
                   {1, kAll, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC}, {2, kAll, 0}),
      ALLOWED_CALL(setsockopt, "TCP_NODELAY", {1, kAll, IPPROTO_TCP}, {2, kAll, TCP_NODELAY}),
      ALLOWED_CALL(getpid, "libcrypto asks whether it was forked"),
  }));
  return calls;
}

}  // namespace glovebox
