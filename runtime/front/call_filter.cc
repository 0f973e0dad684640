#include "front/call_filter.h"

#include <linux/audit.h>
#include <linux/seccomp.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>

#include "base/status.h"

namespace glovebox {
namespace {

constexpr uint32_t kAll = ~uint32_t{0};
constexpr uint32_t kX32Bit = 0x40000000;
constexpr uint32_t kRunningMax = 255;  // a jump's reach, in instructions

#define ALLOW(name, why, ...)                \
  {                                          \
    __NR_##name, #name, why, { __VA_ARGS__ } \
  }

sock_filter Load(size_t offset) {
  return BPF_STMT(BPF_LD | BPF_W | BPF_ABS, static_cast<uint32_t>(offset));
}
sock_filter Return(uint32_t action) { return BPF_STMT(BPF_RET | BPF_K, action); }
sock_filter JumpIfEqual(uint32_t value, size_t then, size_t otherwise) {
  return BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, value, static_cast<uint8_t>(then),
                  static_cast<uint8_t>(otherwise));
}

// What follows when the number is the call's.
std::vector<sock_filter> Judge(const FrontCall& call) {
  std::vector<sock_filter> judge;
  for (const FrontArgument& argument : call.arguments) {
    // x86-64 is little-endian: the low half comes first.
    judge.push_back(Load(offsetof(seccomp_data, args) + argument.index * sizeof(uint64_t)));
    judge.push_back(BPF_STMT(BPF_ALU | BPF_AND | BPF_K, argument.mask));
    judge.push_back(JumpIfEqual(argument.value, 1, 0));
    judge.push_back(Return(SECCOMP_RET_KILL_PROCESS));
  }
  judge.push_back(Return(SECCOMP_RET_ALLOW));
  return judge;
}

}  // namespace

const std::vector<FrontCall>& FrontCalls() {
  static const std::vector<FrontCall>& calls = *new std::vector<FrontCall>{
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

std::vector<sock_filter> FrontFilter() {
  std::vector<sock_filter> program = {
      Load(offsetof(seccomp_data, arch)),
      JumpIfEqual(AUDIT_ARCH_X86_64, 1, 0),
      Return(SECCOMP_RET_KILL_PROCESS),
      Load(offsetof(seccomp_data, nr)),
      BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, kX32Bit, 0, 1),
      Return(SECCOMP_RET_KILL_PROCESS),
  };
  for (const FrontCall& call : FrontCalls()) {
    const std::vector<sock_filter> judge = Judge(call);
    static_assert(sizeof(seccomp_data::args) / sizeof(uint64_t) * 4 + 1 <= kRunningMax);
    program.push_back(JumpIfEqual(call.number, 0, judge.size()));
    program.insert(program.end(), judge.begin(), judge.end());
  }
  program.push_back(Return(SECCOMP_RET_KILL_PROCESS));
  return program;
}

absl::Status LoadFrontFilter() {
  std::vector<sock_filter> program = FrontFilter();
  const sock_fprog filter{static_cast<unsigned short>(program.size()), program.data()};
  if (::syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &filter) != 0) {
    return ErrnoError(errno, "seccomp(SECCOMP_SET_MODE_FILTER)");
  }
  return absl::OkStatus();
}

}  // namespace glovebox
