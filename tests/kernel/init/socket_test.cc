// Sockets that the daemon asks for.
#include <errno.h>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/sock_diag.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include <optional>

#include "linux/seqpacket.h"
#include "tests/kernel/init/init_rig.h"

namespace glovebox {
namespace {

struct Made {
  SocketBody body{};
  UniqueFd socket;
};

class SocketTest : public testing::Test {
 protected:
  void SetUp() override { (void)sandbox_->NextOf(FrameKind::kHeldAll); }
  void Ask(uint64_t request, SocketKind kind, uint16_t port) {
    sandbox_->Send(FrameKind::kOpenSocket, 0, OpenSocketBody{request, kind, port, 0});
  }
  Made Next() {
    for (;;) {
      absl::StatusOr<Packet> packet =
          ReceivePacket(sandbox_->connection.get(), sizeof(FrameHeader) + kFrameBodyMax, 1, 10'000);
      if (!packet.ok() || packet->bytes.empty()) throw std::runtime_error("no frame");
      FrameHeader header{};
      __builtin_memcpy(&header, packet->bytes.data(), sizeof header);
      if (header.kind != FrameKind::kSocket) continue;
      Made made;
      EXPECT_EQ(packet->bytes.size(), sizeof header + sizeof made.body);
      __builtin_memcpy(&made.body, packet->bytes.data() + sizeof header, sizeof made.body);
      EXPECT_EQ(packet->fds.size(), made.body.error == 0 ? 1u : 0u);
      if (!packet->fds.empty()) made.socket = std::move(packet->fds[0]);
      return made;
    }
  }
  // errno of the connection that was begun.
  static int Outcome(const UniqueFd& socket) {
    pollfd entry{socket.get(), POLLOUT, 0};
    EXPECT_EQ(::poll(&entry, 1, 10'000), 1);
    int error = -1;
    socklen_t size = sizeof error;
    EXPECT_EQ(::getsockopt(socket.get(), SOL_SOCKET, SO_ERROR, &error, &size), 0);
    return error;
  }

  // How many TCP sockets of IPv4 or IPv6 listen, as the kernel answers on `diag`.
  static int Listeners(const UniqueFd& diag) {
    int count = 0;
    for (const int family : {AF_INET, AF_INET6}) {
      struct {
        nlmsghdr header;
        inet_diag_req_v2 body;
      } request{};
      request.header.nlmsg_len = sizeof request;
      request.header.nlmsg_type = SOCK_DIAG_BY_FAMILY;
      request.header.nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
      request.body.sdiag_family = static_cast<uint8_t>(family);
      request.body.sdiag_protocol = IPPROTO_TCP;
      request.body.idiag_states = 1u << 10;  // TCP_LISTEN
      EXPECT_EQ(::send(diag.get(), &request, sizeof request, 0), ssize_t{sizeof request});
      for (bool done = false; !done;) {
        alignas(nlmsghdr) char buffer[32768];
        const ssize_t got = ::recv(diag.get(), buffer, sizeof buffer, 0);
        if (got <= 0) return -1;
        auto left = static_cast<uint32_t>(got);
        for (auto* at = reinterpret_cast<nlmsghdr*>(buffer); NLMSG_OK(at, left);
             at = NLMSG_NEXT(at, left)) {
          if (at->nlmsg_type == NLMSG_ERROR) return -1;
          done = done || at->nlmsg_type == NLMSG_DONE;
          count += at->nlmsg_type == SOCK_DIAG_BY_FAMILY ? 1 : 0;
        }
      }
    }
    return count;
  }

  InitRig rig_;
  std::unique_ptr<TestSandbox> sandbox_ = rig_.Ready();
};

// Of a socket that is bound: its port, and whether it waits for connections.
std::pair<uint16_t, int> Bound(const UniqueFd& socket) {
  sockaddr_storage address{};
  socklen_t size = sizeof address;
  EXPECT_EQ(::getsockname(socket.get(), reinterpret_cast<sockaddr*>(&address), &size), 0);
  int listening = -1;
  size = sizeof listening;
  EXPECT_EQ(::getsockopt(socket.get(), SOL_SOCKET, SO_ACCEPTCONN, &listening, &size), 0);
  return {__builtin_bswap16(*(reinterpret_cast<const uint16_t*>(&address) + 1)), listening};
}

TEST_F(SocketTest, ListenersAreMadeAtAnyPortAndAgainWhileTheOldOneIsOpen) {
  std::vector<Made> kept;
  uint64_t request = 1;
  for (int round = 0; round < 2; ++round) {
    for (const auto& [kind, port, listening] :
         {std::tuple{SocketKind::kListen, uint16_t{443}, 1},
          std::tuple{SocketKind::kListenLoopback, uint16_t{3128}, 1},
          std::tuple{SocketKind::kDatagrams, uint16_t{53}, 0}}) {
      Ask(request++, kind, port);
      kept.push_back(Next());
      ASSERT_EQ(kept.back().body.error, 0);
      EXPECT_EQ(Bound(kept.back().socket), std::pair(port, listening));
    }
  }
}

TEST_F(SocketTest, NoCommandTakesAPortOfInitsAndInitTakesNoneOfACommands) {
  Ask(1, SocketKind::kListen, 80);
  const Made held = Next();
  ASSERT_EQ(held.body.error, 0);
  Spec spec;
  spec.argv = {"/bin/sh", "-c", "nc -l -p 80; nc -ll -p 81 -e /bin/cat"};
  const auto exec = sandbox_->Start(spec);
  (void)sandbox_->NextOf(FrameKind::kStarted);
  for (uint64_t request = 2;; ++request) {  // until it listens, which it does when 80 was refused
    Ask(request, SocketKind::kConnectIpv4, 81);
    const Made tried = Next();
    if (tried.body.error == 0 && Outcome(tried.socket) == 0) break;
  }
  EXPECT_NE(exec->Output(OutputStream::kStderr).find("in use"), std::string::npos);
  Ask(UINT64_MAX, SocketKind::kListen, 81);
  EXPECT_EQ(Next().body.error, EADDRINUSE);
}

TEST_F(SocketTest, ConnectionsReachWhatListensInTheSandboxAndNotOnTheHost) {
  // The host's port of the same number is not reached.
  const UniqueFd host(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  ASSERT_EQ(::listen(host.get(), 1), 0);
  sockaddr_storage address{};
  socklen_t size = sizeof address;
  ASSERT_EQ(::getsockname(host.get(), reinterpret_cast<sockaddr*>(&address), &size), 0);
  const auto* port = reinterpret_cast<const uint16_t*>(&address) + 1;  // sin_port
  Ask(1, SocketKind::kConnectIpv4, __builtin_bswap16(*port));
  const Made refused = Next();
  EXPECT_EQ(refused.body.request, 1u);
  EXPECT_TRUE(refused.body.error == ECONNREFUSED || Outcome(refused.socket) == ECONNREFUSED);

  Spec spec;
  spec.argv = {"/bin/sh", "-c", "nc -l -p 4000 -e /bin/echo inside & sleep 600"};
  const auto exec = sandbox_->Start(spec);
  (void)sandbox_->NextOf(FrameKind::kStarted);
  for (uint64_t request = 2;; ++request) {
    Ask(request, SocketKind::kConnectIpv4, 4000);
    const Made made = Next();
    ASSERT_EQ(made.body.request, request);
    if (made.body.error == ECONNREFUSED || Outcome(made.socket) == ECONNREFUSED) continue;
    EXPECT_NE(::fcntl(made.socket.get(), F_GETFL) & O_NONBLOCK, 0);
    pollfd entry{made.socket.get(), POLLIN, 0};
    ASSERT_EQ(::poll(&entry, 1, 10'000), 1);
    char text[16] = {};
    EXPECT_EQ(::recv(made.socket.get(), text, sizeof text, 0), 7);
    EXPECT_STREQ(text, "inside\n");
    break;
  }
}

TEST_F(SocketTest, WhatListensIsToldOfTheSandboxAndNotOfTheHost) {
  const UniqueFd host(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  ASSERT_EQ(::listen(host.get(), 1), 0);
  Ask(1, SocketKind::kDiag, 0);
  const Made first = Next();
  ASSERT_EQ(first.body.error, 0);
  int protocol = -1;
  socklen_t size = sizeof protocol;
  ASSERT_EQ(::getsockopt(first.socket.get(), SOL_SOCKET, SO_PROTOCOL, &protocol, &size), 0);
  EXPECT_EQ(protocol, NETLINK_SOCK_DIAG);
  EXPECT_NE(::fcntl(first.socket.get(), F_GETFL) & O_NONBLOCK, 0);
  EXPECT_EQ(Listeners(first.socket), 0);

  Spec spec;
  spec.argv = {"/bin/sh", "-c", "nc -l -p 4000 -e /bin/echo inside & sleep 600"};
  const auto exec = sandbox_->Start(spec);
  (void)sandbox_->NextOf(FrameKind::kStarted);
  while (Listeners(first.socket) == 0) {
    ASSERT_EQ(::poll(nullptr, 0, 1), 0);
  }
  EXPECT_EQ(Listeners(first.socket), 1);
  // Another one is the same socket, so what was said to one is read from either.
  Ask(2, SocketKind::kDiag, 0);
  EXPECT_EQ(Listeners(Next().socket), 1);
}

TEST_F(SocketTest, AKindThatIsNotKnownIsAnError) {
  Ask(7, static_cast<SocketKind>(99), 1);
  const Made made = Next();
  EXPECT_EQ(made.body.request, 7u);
  EXPECT_EQ(made.body.error, EINVAL);
}

TEST_F(SocketTest, ManyAreAnsweredInTheirOrder) {
  for (uint64_t i = 1; i <= 100; ++i) {
    Ask(i, i % 2 == 0 ? SocketKind::kConnectIpv4 : SocketKind::kConnectIpv6, 1);
    EXPECT_EQ(Next().body.request, i);
  }
}

}  // namespace
}  // namespace glovebox
