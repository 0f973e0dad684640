#include "egress/call_filter.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/time.h>

#include <array>
#include <set>

#include "tests/support/call_filter_checks.h"

namespace glovebox {
namespace {

bool Allows(uint32_t number, std::array<uint64_t, 6> arguments = {}) {
  return Allows(EgressCalls(), number, arguments);
}

TEST(EgressCallFilter, WhatIsNotListedEndsTheProcess) {
  ExpectWhatIsNotListedEndsTheProcess(EgressCalls(), {SYS_socketpair});
}

TEST(EgressCallFilter, AnotherArchitectureEndsTheProcess) {
  ExpectAnotherArchitectureEndsTheProcess(EgressCalls());
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
}

TEST(EgressCallFilter, MemoryIsOfNoFileAndNeverExecutable) {
  ExpectMemoryIsOfNoFileAndNeverExecutable(EgressCalls());
}

TEST(EgressCallFilter, OfFilesTheCountOfBytesAloneIsMapped) {
  const uint64_t both = PROT_READ | PROT_WRITE;
  EXPECT_TRUE(Allows(SYS_mmap, {0, 16, both, MAP_SHARED, 9, 0}));
  EXPECT_FALSE(Allows(SYS_mmap, {0, 16, both | PROT_EXEC, MAP_SHARED, 9, 0}));
  EXPECT_FALSE(Allows(SYS_mmap, {0, 16, PROT_READ, MAP_SHARED, 9, 0}));
  EXPECT_FALSE(Allows(SYS_mmap, {0, 16, both, MAP_SHARED | MAP_FIXED, 9, 0}));
  EXPECT_FALSE(Allows(SYS_mmap, {0, 16, both, MAP_PRIVATE, 9, 0}));
}

}  // namespace
}  // namespace glovebox
