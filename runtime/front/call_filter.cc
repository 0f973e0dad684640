#include "front/call_filter.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>

namespace glovebox {
namespace {

constexpr uint32_t kAll = kWholeArgument;

#define ALLOW(name, why, ...)                \
  {                                          \
    __NR_##name, #name, why, { __VA_ARGS__ } \
  }

}  // namespace

const std::vector<AllowedCall>& FrontCalls() {
  static const std::vector<AllowedCall>& calls = *new std::vector<AllowedCall>{
      ALLOW(read, "bytes of clients and of the daemon"),
      ALLOW(write, "the same, to them"),
      ALLOW(epoll_wait, "one thread for all connections"),
      ALLOW(epoll_ctl, "a connection comes"),
      ALLOW(close, "a connection goes"),
      ALLOW(shutdown, "one direction of a connection ends"),
      ALLOW(accept4, "of the listening socket, which the daemon made"),
      ALLOW(sendmsg, "a connection is handed to the daemon"),
      ALLOW(socketpair, "both ends of it, of unix streams alone", {0, kAll, AF_UNIX},
            {1, kAll, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC}, {2, kAll, 0}),
      ALLOW(setsockopt, "TCP_NODELAY", {1, kAll, IPPROTO_TCP}, {2, kAll, TCP_NODELAY}),
      ALLOW(brk, "memory"),
      ALLOW(mmap, "memory, never of a file, never executable", {2, PROT_EXEC, 0},
            {3, MAP_ANONYMOUS, MAP_ANONYMOUS}),
      ALLOW(munmap, "memory"),
      ALLOW(mremap, "memory"),
      ALLOW(madvise, "memory given back"),
      ALLOW(mprotect, "the allocator; never executable", {2, PROT_EXEC, 0}),
      ALLOW(futex, "locks of libcrypto"),
      ALLOW(getrandom, "keys"),
      ALLOW(clock_gettime, "where the vDSO cannot answer"),
      ALLOW(gettimeofday, "the same"),
      ALLOW(getpid, "libcrypto asks whether it was forked"),
      ALLOW(rt_sigreturn, "after a signal that stops and continues"),
      ALLOW(restart_syscall, "the same"),
      ALLOW(exit_group, "the end"),
  };
  return calls;
}

}  // namespace glovebox
