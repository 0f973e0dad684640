#include "egress/call_filter.h"

#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/time.h>

namespace glovebox {
namespace {

#define ALLOW(name, why, ...)                \
  {                                          \
    __NR_##name, #name, why, { __VA_ARGS__ } \
  }

// AF_INET is 2 and AF_INET6 is 10: all bits but the one between them.
constexpr uint32_t kInternetFamilies = ~uint32_t{AF_INET ^ AF_INET6};
static_assert((AF_INET6 & kInternetFamilies) == AF_INET);
// Of SOCK_STREAM (1) and SOCK_DGRAM (2), with or without flags; SOCK_RAW is 3, SOCK_SEQPACKET 5.
constexpr uint32_t kTypesBeyond =
    ~uint32_t{SOCK_STREAM | SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC};

}  // namespace

const std::vector<AllowedCall>& EgressCalls() {
  static const std::vector<AllowedCall>& calls = *new std::vector<AllowedCall>{
      ALLOW(read, "bytes of both sides, and the loop's own wake-ups"),
      ALLOW(write, "the same"),
      ALLOW(readv, "the same"),
      ALLOW(writev, "the same"),
      ALLOW(recvfrom, "the same, and answers of name servers"),
      ALLOW(sendto, "the same, and questions to them"),
      ALLOW(recvmsg, "orders with descriptors, and questions of payloads with where they went"),
      ALLOW(sendmsg, "events, and answers from there"),
      ALLOW(epoll_wait, "one thread for all connections"),
      ALLOW(epoll_ctl, "a connection comes"),
      ALLOW(timerfd_settime, "the next deadline"),
      ALLOW(close, "a connection goes"),
      ALLOW(shutdown, "one direction of a connection ends"),
      ALLOW(accept4, "of the sockets in sandboxes"),
      ALLOW(setitimer, "ends an accept4 that waits", {0, kWholeArgument, ITIMER_REAL}),
      // Raw sockets, which are 3, need a capability; other families are refused here.
      ALLOW(socket, "to the checked address, and to name servers", {0, kInternetFamilies, AF_INET},
            {1, kTypesBeyond, 0}),
      ALLOW(connect, "the same"),
      ALLOW(bind, "whether an address is one of this host's own"),
      ALLOW(getsockname, "where a connection was to go"),
      ALLOW(getpeername, "whether one is connected"),
      ALLOW(getsockopt, "how a connect(2) ended"),
      ALLOW(poll, "likewise, without waiting"),
      ALLOW(setsockopt, "TCP_NODELAY, keep-alive, resets, and what names servers' sockets want"),
      ALLOW(ioctl, "FIONBIO", {1, kWholeArgument, FIONBIO}),
      ALLOW(
          fcntl,
          "F_GETFD, F_SETFD, F_GETFL and F_SETFL; besides F_DUPFD and locks, which lie beside them",
          {1, ~uint32_t{7}, 0}),
      ALLOW(lseek, "how long a policy is"),
      ALLOW(pread64, "a policy"),
      ALLOW(brk, "memory"),
      ALLOW(mmap, "memory, never of a file, never executable", {2, PROT_EXEC, 0},
            {3, MAP_ANONYMOUS, MAP_ANONYMOUS}),
      ALLOW(munmap, "memory"),
      ALLOW(mremap, "memory"),
      ALLOW(madvise, "memory given back"),
      ALLOW(mprotect, "the allocator; never executable", {2, PROT_EXEC, 0}),
      ALLOW(futex, "locks"),
      ALLOW(getrandom, "hash tables"),
      ALLOW(clock_gettime, "where the vDSO cannot answer"),
      ALLOW(gettimeofday, "the same"),
      ALLOW(rt_sigreturn, "after a signal that stops and continues"),
      ALLOW(restart_syscall, "the same"),
      ALLOW(exit_group, "the end"),
  };
  return calls;
}

}  // namespace glovebox
