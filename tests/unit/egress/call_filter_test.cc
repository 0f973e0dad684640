#include "egress/call_filter.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <linux/audit.h>
#include <linux/seccomp.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/time.h>

#include <algorithm>
#include <array>
#include <set>

#include "tests/support/bpf_evaluator.h"

namespace glovebox {
namespace {

bool Allows(uint32_t number, std::array<uint64_t, 6> arguments = {},
            uint32_t arch = AUDIT_ARCH_X86_64) {
  seccomp_data data{};
  data.nr = static_cast<int>(number);
  data.arch = arch;
  std::copy(arguments.begin(), arguments.end(), data.args);
  const auto result = EvaluateBpf(AllowFilter(EgressCalls()), data);
  EXPECT_TRUE(result.ok()) << result.status();
  if (!result.ok()) return false;
  EXPECT_TRUE(result->action == SECCOMP_RET_ALLOW || result->action == SECCOMP_RET_KILL_PROCESS);
  return result->action == SECCOMP_RET_ALLOW;
}

TEST(EgressCallFilter, WhatIsNotListedEndsTheProcess) {
  std::set<uint32_t> listed;
  for (const AllowedCall& call : EgressCalls()) listed.insert(call.number);
  EXPECT_EQ(listed.size(), EgressCalls().size()) << "each once";
  for (uint32_t number = 0; number < 1024; ++number) {
    if (listed.contains(number)) continue;
    EXPECT_FALSE(Allows(number)) << number;
  }
  for (const long never : {SYS_openat,         SYS_open,
                           SYS_openat2,        SYS_execve,
                           SYS_execveat,       SYS_ptrace,
                           SYS_listen,         SYS_clone,
                           SYS_clone3,         SYS_fork,
                           SYS_prctl,          SYS_dup,
                           SYS_setuid,         SYS_unshare,
                           SYS_setns,          SYS_socketpair,
                           SYS_io_uring_setup, SYS_process_vm_readv,
                           SYS_pidfd_getfd,    SYS_bpf}) {
    EXPECT_FALSE(listed.contains(static_cast<uint32_t>(never))) << never;
  }
}

TEST(EgressCallFilter, AnotherArchitectureEndsTheProcess) {
  EXPECT_TRUE(Allows(SYS_read));
  EXPECT_FALSE(Allows(SYS_read, {}, AUDIT_ARCH_I386));
  EXPECT_FALSE(Allows(SYS_read | 0x40000000));  // x32
}

TEST(EgressCallFilter, SocketsAreOfTheInternetAndCarryStreamsOrDatagrams) {
  const std::set<uint64_t> families = {AF_INET, AF_INET6};
  for (uint64_t family = 0; family < 256; ++family) {
    EXPECT_EQ(Allows(SYS_socket, {family, SOCK_STREAM, 0}), families.contains(family)) << family;
  }
  const uint64_t flags = SOCK_NONBLOCK | SOCK_CLOEXEC;
  EXPECT_TRUE(Allows(SYS_socket, {AF_INET6, SOCK_DGRAM | flags, 0}));
  EXPECT_TRUE(Allows(SYS_socket, {AF_INET, SOCK_STREAM | flags, 0}));
  // SOCK_RAW is both bits at once: the kernel asks for CAP_NET_RAW, which the proxy has not.
  for (const uint64_t type : {SOCK_RDM, SOCK_SEQPACKET, SOCK_DCCP, SOCK_PACKET}) {
    EXPECT_FALSE(Allows(SYS_socket, {AF_INET, type, 0})) << type;
  }
}

TEST(EgressCallFilter, ArgumentsAreHeldToWhatTheProxyPasses) {
  EXPECT_TRUE(Allows(SYS_setitimer, {ITIMER_REAL}));
  EXPECT_FALSE(Allows(SYS_setitimer, {ITIMER_PROF}));
  EXPECT_TRUE(Allows(SYS_ioctl, {5, FIONBIO}));
  EXPECT_FALSE(Allows(SYS_ioctl, {5, TIOCSTI}));
  for (const uint64_t command : {F_GETFD, F_SETFD, F_GETFL, F_SETFL}) {
    EXPECT_TRUE(Allows(SYS_fcntl, {5, command})) << command;
  }
  for (const uint64_t command : {F_SETOWN, F_SETSIG, F_DUPFD_CLOEXEC, F_SETPIPE_SZ, F_SETLEASE}) {
    EXPECT_FALSE(Allows(SYS_fcntl, {5, command})) << command;
  }
  const uint64_t anonymous = MAP_PRIVATE | MAP_ANONYMOUS;
  EXPECT_TRUE(Allows(SYS_mmap, {0, 4096, PROT_READ | PROT_WRITE, anonymous, ~0ULL, 0}));
  EXPECT_FALSE(Allows(SYS_mmap, {0, 4096, PROT_READ | PROT_EXEC, anonymous, ~0ULL, 0}));
  EXPECT_FALSE(Allows(SYS_mmap, {0, 4096, PROT_READ, MAP_PRIVATE, 3, 0})) << "of a file";
  EXPECT_TRUE(Allows(SYS_mprotect, {0, 4096, PROT_READ}));
  EXPECT_FALSE(Allows(SYS_mprotect, {0, 4096, PROT_READ | PROT_EXEC}));
}

}  // namespace
}  // namespace glovebox
