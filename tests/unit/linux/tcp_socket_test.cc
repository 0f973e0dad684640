#include "linux/tcp_socket.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>

#include <cerrno>
#include <string>
#include <utility>

#include "base/status.h"

namespace glovebox {
namespace {

UniqueFd Listener(sockaddr_in* address, int backlog = 8) {
  UniqueFd fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  *address = {};
  address->sin_family = AF_INET;
  address->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  EXPECT_EQ(::bind(fd.get(), reinterpret_cast<sockaddr*>(address), sizeof *address), 0);
  socklen_t size = sizeof *address;
  EXPECT_EQ(::getsockname(fd.get(), reinterpret_cast<sockaddr*>(address), &size), 0);
  if (backlog > 0) {
    EXPECT_EQ(::listen(fd.get(), backlog), 0);
  }
  return fd;
}

// Two sides of one connection.
struct Pair {
  TcpSocket ours;
  UniqueFd theirs;
};
Pair Connect() {
  sockaddr_in address{};
  const UniqueFd listener = Listener(&address);
  UniqueFd fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  EXPECT_EQ(::connect(fd.get(), reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
  UniqueFd theirs(::accept4(listener.get(), nullptr, nullptr, SOCK_CLOEXEC));
  auto ours = TcpSocket::Adopt(std::move(fd));
  EXPECT_TRUE(ours.ok());
  return {*std::move(ours), std::move(theirs)};
}

TEST(TcpSocketTest, OnlyTcpSocketsAreTaken) {
  const auto taken = [](int fd) { return TcpSocket::Adopt(UniqueFd(fd)).ok(); };
  EXPECT_TRUE(taken(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)));
  EXPECT_FALSE(taken(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0)));
  EXPECT_FALSE(taken(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)));
  EXPECT_FALSE(taken(::open("/dev/null", O_RDWR | O_CLOEXEC)));
  EXPECT_FALSE(taken(-1));
}

TEST(TcpSocketTest, NothingWaitsOnASocketThatBlocks) {
  Pair pair = Connect();  // without O_NONBLOCK, as who shares it may make it
  std::string data;
  EXPECT_EQ(*pair.ours.Receive(100, &data), std::nullopt);
  const std::string piece(1 << 16, 'x');
  size_t sent = 0;
  for (;;) {
    const auto taken = pair.ours.Send(piece);
    ASSERT_TRUE(taken.ok());
    if (*taken == 0) break;
    sent += *taken;
  }
  EXPECT_GT(sent, 0u);
}

TEST(TcpSocketTest, EndsAndBreaksAreTold) {
  Pair pair = Connect();
  std::string data;
  ASSERT_EQ(::send(pair.theirs.get(), "last", 4, 0), 4);
  ASSERT_EQ(::shutdown(pair.theirs.get(), SHUT_WR), 0);
  EXPECT_EQ(*pair.ours.Receive(100, &data), true);
  EXPECT_EQ(*pair.ours.Receive(100, &data), false);
  EXPECT_EQ(data, "last");
  EXPECT_EQ(*pair.ours.Send("answer"), 6u);
  pair.ours.Break();
  char text[16] = {};
  EXPECT_EQ(::recv(pair.theirs.get(), text, sizeof text, 0), 6) << "what had come is there";
  EXPECT_EQ(::recv(pair.theirs.get(), text, sizeof text, 0), -1);
  EXPECT_EQ(errno, ECONNRESET);
}

TEST(TcpSocketTest, ASocketThatLingersIsClosedAtOnceAllTheSame) {
  Pair pair = Connect();
  const linger long_time{1, 3600};
  ASSERT_EQ(::setsockopt(pair.ours.fd(), SOL_SOCKET, SO_LINGER, &long_time, sizeof long_time), 0);
  const std::string piece(1 << 16, 'x');
  while (*pair.ours.Send(piece) > 0) continue;
  { const TcpSocket closed = std::move(pair.ours); }
  // That it returned is the promise; what was sent is still to be had.
  std::string got(1 << 16, 0);
  EXPECT_GT(::recv(pair.theirs.get(), got.data(), got.size(), 0), 0);
}

TEST(TcpSocketTest, WhatBecameOfAConnectionThatWasBegunIsTold) {
  sockaddr_in address{};
  const UniqueFd bound = Listener(&address, /*backlog=*/0);  // its port is nobody else's
  UniqueFd fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  const auto refused = TcpSocket::Adopt(std::move(fd));
  ASSERT_TRUE(refused.ok());
  EXPECT_EQ(refused->ConnectionError(), EINPROGRESS) << "not even begun";
  ASSERT_EQ(::connect(refused->fd(), reinterpret_cast<sockaddr*>(&address), sizeof address), -1);
  ASSERT_EQ(errno, EINPROGRESS);
  pollfd entry{refused->fd(), POLLOUT, 0};
  ASSERT_EQ(::poll(&entry, 1, 10'000), 1);
  EXPECT_EQ(refused->ConnectionError(), ECONNREFUSED);
  Pair pair = Connect();
  EXPECT_EQ(pair.ours.ConnectionError(), 0);
  // To itself.
  UniqueFd self(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in own{};
  own.sin_family = AF_INET;
  own.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  ASSERT_EQ(::bind(self.get(), reinterpret_cast<sockaddr*>(&own), sizeof own), 0);
  socklen_t size = sizeof own;
  ASSERT_EQ(::getsockname(self.get(), reinterpret_cast<sockaddr*>(&own), &size), 0);
  ASSERT_EQ(::connect(self.get(), reinterpret_cast<sockaddr*>(&own), sizeof own), 0);
  EXPECT_EQ(TcpSocket::Adopt(std::move(self))->ConnectionError(), ECONNREFUSED);
}

}  // namespace
}  // namespace glovebox
