#include "front/call_filter.h"

#include <gtest/gtest.h>
#include <linux/audit.h>
#include <linux/seccomp.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>

#include <algorithm>
#include <array>
#include <set>

#include "tests/support/bpf_evaluator.h"

namespace glovebox {
namespace {

constexpr uint64_t kUnixStream = SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC;

bool Allows(uint32_t number, std::array<uint64_t, 6> arguments = {},
            uint32_t arch = AUDIT_ARCH_X86_64) {
  seccomp_data data{};
  data.nr = static_cast<int>(number);
  data.arch = arch;
  std::copy(arguments.begin(), arguments.end(), data.args);
  const auto result = EvaluateBpf(AllowFilter(FrontCalls()), data);
  EXPECT_TRUE(result.ok()) << result.status();
  if (!result.ok()) return false;
  EXPECT_TRUE(result->action == SECCOMP_RET_ALLOW || result->action == SECCOMP_RET_KILL_PROCESS);
  return result->action == SECCOMP_RET_ALLOW;
}

TEST(CallFilter, WhatIsNotListedEndsTheProcess) {
  std::set<uint32_t> listed;
  for (const AllowedCall& call : FrontCalls()) listed.insert(call.number);
  EXPECT_EQ(listed.size(), FrontCalls().size()) << "each once";
  for (uint32_t number = 0; number < 1024; ++number) {
    if (listed.contains(number)) continue;
    EXPECT_FALSE(Allows(number)) << number;
  }
  for (const long never :
       {SYS_openat,  SYS_open,    SYS_openat2, SYS_execve,        SYS_execveat, SYS_ptrace,
        SYS_connect, SYS_socket,  SYS_bind,    SYS_listen,        SYS_clone,    SYS_clone3,
        SYS_fork,    SYS_prctl,   SYS_fcntl,   SYS_ioctl,         SYS_dup,      SYS_recvmsg,
        SYS_setuid,  SYS_unshare, SYS_setns,   SYS_io_uring_setup}) {
    EXPECT_FALSE(listed.contains(static_cast<uint32_t>(never))) << never;
  }
}

TEST(CallFilter, AnotherArchitectureEndsTheProcess) {
  EXPECT_TRUE(Allows(SYS_read));
  EXPECT_FALSE(Allows(SYS_read, {}, AUDIT_ARCH_I386));
  EXPECT_FALSE(Allows(SYS_read | 0x40000000));  // x32
}

TEST(CallFilter, ArgumentsAreHeldToWhatTheFrontPasses) {
  EXPECT_TRUE(Allows(SYS_socketpair, {AF_UNIX, kUnixStream, 0}));
  EXPECT_FALSE(Allows(SYS_socketpair, {AF_UNIX, SOCK_SEQPACKET, 0}));
  EXPECT_FALSE(Allows(SYS_socketpair, {AF_INET, kUnixStream, 0}));
  EXPECT_TRUE(Allows(SYS_setsockopt, {5, IPPROTO_TCP, TCP_NODELAY}));
  EXPECT_FALSE(Allows(SYS_setsockopt, {5, IPPROTO_TCP, TCP_ULP}));
  EXPECT_FALSE(Allows(SYS_setsockopt, {5, SOL_SOCKET, TCP_NODELAY}));
  const uint64_t anonymous = MAP_PRIVATE | MAP_ANONYMOUS;
  EXPECT_TRUE(Allows(SYS_mmap, {0, 4096, PROT_READ | PROT_WRITE, anonymous, ~0ULL, 0}));
  EXPECT_FALSE(Allows(SYS_mmap, {0, 4096, PROT_READ | PROT_EXEC, anonymous, ~0ULL, 0}));
  EXPECT_FALSE(Allows(SYS_mmap, {0, 4096, PROT_READ, MAP_PRIVATE, 3, 0})) << "of a file";
  EXPECT_TRUE(Allows(SYS_mprotect, {0, 4096, PROT_READ}));
  EXPECT_FALSE(Allows(SYS_mprotect, {0, 4096, PROT_READ | PROT_EXEC}));
}

}  // namespace
}  // namespace glovebox
