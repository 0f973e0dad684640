#include "egress/call_filter.h"

#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/time.h>

namespace glovebox {
namespace {

// AF_INET is 2 and AF_INET6 is 10: all bits but the one between them.
constexpr uint32_t kInternetFamilies = ~uint32_t{AF_INET ^ AF_INET6};
static_assert((AF_INET6 & kInternetFamilies) == AF_INET);
// Of SOCK_STREAM (1) and SOCK_DGRAM (2), with or without flags; SOCK_RAW is 3, SOCK_SEQPACKET 5.
constexpr uint32_t kTypesBeyond =
    ~uint32_t{SOCK_STREAM | SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC};

}  // namespace

const std::vector<AllowedCall>& EgressCalls() {
  static const auto& calls = *new std::vector<AllowedCall>(WithCallsOfEveryProcess({
      ALLOWED_CALL(read, "bytes of both sides, and the loop's own wake-ups"),
      ALLOWED_CALL(write, "the same"),
      ALLOWED_CALL(readv, "the same"),
      ALLOWED_CALL(writev, "the same"),
      ALLOWED_CALL(recvfrom, "the same, and answers of name servers"),
      ALLOWED_CALL(sendto, "the same, and questions to them"),
      ALLOWED_CALL(recvmsg,
                   "orders with descriptors, and questions of payloads with where they went"),
      ALLOWED_CALL(sendmsg, "events, and answers from there"),
      ALLOWED_CALL(epoll_wait, "one thread for all connections"),
      ALLOWED_CALL(epoll_ctl, "a connection comes"),
      ALLOWED_CALL(timerfd_settime, "the next deadline"),
      ALLOWED_CALL(close, "a connection goes"),
      ALLOWED_CALL(shutdown, "one direction of a connection ends"),
      ALLOWED_CALL(accept4, "of the sockets in sandboxes"),
      ALLOWED_CALL(setitimer, "ends an accept4 that waits", {0, kWholeArgument, ITIMER_REAL}),
      // Raw sockets, which are 3, need a capability; other families are refused here.
      ALLOWED_CALL(socket, "to the checked address, and to name servers",
                   {0, kInternetFamilies, AF_INET}, {1, kTypesBeyond, 0}),
      ALLOWED_CALL(connect, "the same"),
      ALLOWED_CALL(bind, "whether an address is one of this host's own"),
      ALLOWED_CALL(getsockname, "where a connection was to go"),
      ALLOWED_CALL(getpeername, "whether one is connected"),
      ALLOWED_CALL(getsockopt, "how a connect(2) ended"),
      ALLOWED_CALL(poll, "likewise, without waiting"),
      ALLOWED_CALL(setsockopt,
                   "TCP_NODELAY, keep-alive, resets, and what names servers' sockets want"),
      ALLOWED_CALL(ioctl, "FIONBIO", {1, kWholeArgument, FIONBIO}),
      ALLOWED_CALL(
          fcntl,
          "F_GETFD, F_SETFD, F_GETFL and F_SETFL; besides F_DUPFD and locks, which lie beside them",
          {1, ~uint32_t{7}, 0}),
      // Beside memory of its own. What is sealed cannot be mapped so, and no file can be opened.
      ALLOWED_CALL(mmap, "what a sandbox has sent and received",
                   {2, kWholeArgument, PROT_READ | PROT_WRITE}, {3, kWholeArgument, MAP_SHARED}),
      ALLOWED_CALL(lseek, "how long a policy is"),
      ALLOWED_CALL(pread64, "a policy, and the roots of origins"),
      ALLOWED_CALL(getpid, "libcrypto asks whether it was forked"),
  }));
  return calls;
}

}  // namespace glovebox
