#include "egress/client_commands.h"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <linux/filter.h>
#include <linux/netlink.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <cstring>
#include <optional>

namespace glovebox {
namespace {

SocketEnd EndOf(int fd, bool own) {
  sockaddr_in address{};
  socklen_t size = sizeof address;
  auto* const any = reinterpret_cast<sockaddr*>(&address);
  EXPECT_EQ(own ? ::getsockname(fd, any, &size) : ::getpeername(fd, any, &size), 0);
  SocketEnd end;
  std::memcpy(end.address.data(), &address.sin_addr, sizeof address.sin_addr);
  end.port = ntohs(address.sin_port);
  return end;
}

class ClientCommandsTest : public ::testing::Test {
 protected:
  void SetUp() override {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    ASSERT_EQ(::bind(server_.get(), reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
    ASSERT_EQ(::listen(server_.get(), 1), 0);
    socklen_t size = sizeof address;
    auto* const any = reinterpret_cast<sockaddr*>(&address);
    ASSERT_EQ(::getsockname(server_.get(), any, &size), 0);
    ASSERT_EQ(::connect(client_.get(), any, size), 0);
  }
  // Shared with whoever has `shared`.
  void AskOn(UniqueFd* shared = nullptr) {
    UniqueFd diag(::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_SOCK_DIAG));
    if (shared != nullptr) shared->Reset(::dup(diag.get()));
    ASSERT_TRUE(commands_.AskOn(std::move(diag)).ok());
  }
  ClientCommand Of() {
    return commands_.Of(SocketProtocol::kTcp, [this]() -> std::optional<ClientEnds> {
      ++asked_;
      return ClientEnds{EndOf(client_.get(), true), EndOf(client_.get(), false)};
    });
  }

  const UniqueFd server_{::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)};
  const UniqueFd client_{::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)};
  std::atomic<uint64_t> word_ = kEgressNoCommand;
  ClientCommands commands_{&word_};
  int asked_ = 0;
};

TEST_F(ClientCommandsTest, OneThatRunsAloneIsNotAskedFor) {
  AskOn();
  EXPECT_EQ(Of().number, 0u);
  word_ = 5;
  EXPECT_EQ(Of().number, 5u);
  EXPECT_EQ(Of().cgroup_id, 0u);
  EXPECT_EQ(asked_, 0);
}

TEST_F(ClientCommandsTest, OfSeveralTheKernelIsAsked) {
  word_ = kEgressSeveralCommands;
  EXPECT_EQ(Of().cgroup_id, 0u) << "there is nothing to ask on";
  EXPECT_EQ(asked_, 0);
  AskOn();
  EXPECT_NE(Of().cgroup_id, 0u);
  EXPECT_EQ(Of().number, 0u);
  EXPECT_EQ(asked_, 2);
  commands_.AskNoMore();
  EXPECT_EQ(Of().cgroup_id, 0u);
  EXPECT_EQ(asked_, 2);
}

TEST_F(ClientCommandsTest, WhoCannotBeToldIsNotGuessed) {
  word_ = kEgressSeveralCommands;
  AskOn();
  const ClientCommand none = commands_.Of(
      SocketProtocol::kTcp, []() -> std::optional<ClientEnds> { return std::nullopt; });
  EXPECT_EQ(none.number, 0u);
  EXPECT_EQ(none.cgroup_id, 0u);
}

TEST_F(ClientCommandsTest, WhoseAnswersAreTakenAwayIsNotAskedForEver) {
  word_ = kEgressSeveralCommands;
  UniqueFd shared;
  AskOn(&shared);
  EXPECT_NE(Of().cgroup_id, 0u);
  sock_filter nothing[] = {{0x06, 0, 0, 0}};  // drops everything
  const sock_fprog program{1, nothing};
  ASSERT_EQ(::setsockopt(shared.get(), SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof program), 0);
  for (int i = 0; i < 1000; ++i) EXPECT_EQ(Of().cgroup_id, 0u);
  EXPECT_LT(asked_, 50);
}

TEST_F(ClientCommandsTest, WhatIsNoSocketForQuestionsIsNotTaken) {
  EXPECT_FALSE(commands_.AskOn(UniqueFd(::dup(client_.get()))).ok());
}

}  // namespace
}  // namespace glovebox
