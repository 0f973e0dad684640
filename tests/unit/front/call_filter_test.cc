#include "front/call_filter.h"

#include <gtest/gtest.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/syscall.h>

#include <array>

#include "tests/support/call_filter_checks.h"

namespace glovebox {
namespace {

constexpr uint64_t kUnixStream = SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC;

bool Allows(uint32_t number, std::array<uint64_t, 6> arguments = {}) {
  return Allows(FrontCalls(), number, arguments);
}

TEST(CallFilter, WhatIsNotListedEndsTheProcess) {
  ExpectWhatIsNotListedEndsTheProcess(
      FrontCalls(), {SYS_connect, SYS_socket, SYS_bind, SYS_fcntl, SYS_ioctl, SYS_recvmsg});
}

TEST(CallFilter, AnotherArchitectureEndsTheProcess) {
  ExpectAnotherArchitectureEndsTheProcess(FrontCalls());
}

TEST(CallFilter, ArgumentsAreHeldToWhatTheFrontPasses) {
  EXPECT_TRUE(Allows(SYS_socketpair, {AF_UNIX, kUnixStream, 0}));
  EXPECT_FALSE(Allows(SYS_socketpair, {AF_UNIX, SOCK_SEQPACKET, 0}));
  EXPECT_FALSE(Allows(SYS_socketpair, {AF_INET, kUnixStream, 0}));
  EXPECT_TRUE(Allows(SYS_setsockopt, {5, IPPROTO_TCP, TCP_NODELAY}));
  EXPECT_FALSE(Allows(SYS_setsockopt, {5, IPPROTO_TCP, TCP_ULP}));
  EXPECT_FALSE(Allows(SYS_setsockopt, {5, SOL_SOCKET, TCP_NODELAY}));
}

TEST(CallFilter, MemoryIsOfNoFileAndNeverExecutable) {
  ExpectMemoryIsOfNoFileAndNeverExecutable(FrontCalls());
}

}  // namespace
}  // namespace glovebox
