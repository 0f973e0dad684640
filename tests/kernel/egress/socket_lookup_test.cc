// Which socket of a network namespace gets a connection, where a program decides.
#include "linux/socket_lookup.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <linux/bpf.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "tests/kernel/egress/gate_world.h"
#include "tests/support/must_run.h"

namespace glovebox {
namespace {

constexpr uint16_t kPort = 4443;

// Like init's: many of one port, of one user.
UniqueFd SharedListener(const NetworkSpace& space, uint16_t port) {
  UniqueFd fd;
  space.Inside([&] {
    fd.Reset(::socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0));
    const int on = 1, off = 0;
    sockaddr_in6 address{};
    address.sin6_family = AF_INET6;
    address.sin6_port = htons(port);
    EXPECT_EQ(::setsockopt(fd.get(), IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof off), 0);
    EXPECT_EQ(::setsockopt(fd.get(), SOL_SOCKET, SO_REUSEPORT, &on, sizeof on), 0);
    EXPECT_EQ(::bind(fd.get(), reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
    EXPECT_EQ(::listen(fd.get(), 64), 0);
  });
  return fd;
}

// The connection that is waiting, and its own address; "": none is.
std::pair<UniqueFd, std::string> Accepted(const UniqueFd& listener) {
  pollfd entry{listener.get(), POLLIN, 0};
  if (::poll(&entry, 1, 0) != 1) return {};
  UniqueFd fd(::accept4(listener.get(), nullptr, nullptr, SOCK_CLOEXEC));
  sockaddr_in6 own{};
  socklen_t size = sizeof own;
  EXPECT_EQ(::getsockname(fd.get(), reinterpret_cast<sockaddr*>(&own), &size), 0);
  char text[INET6_ADDRSTRLEN] = {};
  EXPECT_NE(::inet_ntop(AF_INET6, &own.sin6_addr, text, sizeof text), nullptr);
  return {std::move(fd), absl::StrCat(text, " ", ntohs(own.sin6_port))};
}

uint64_t HostsNamespace() { return *OwnNetworkNamespace(); }

class SocketLookupTest : public ::testing::Test {
 protected:
  void SetUp() override {
    space_.MakeAllAddressesLocal();
    space_.Ip("-6 route add local default dev lo");
    names_ = SharedListener(space_, kLookupNamesPort);
    others_ = SharedListener(space_, kLookupNamesPort);
    auto lookup = SocketLookup::Load();
    SKIP_UNLESS(lookup.ok(), lookup.status().ToString());
    auto link = lookup->Attach(names_.get(), others_.get(), HostsNamespace());
    ASSERT_TRUE(link.ok()) << link.status();
    link_ = *std::move(link);
  }
  // Which of the two gets a connection to there, and as whom; "refused", or "": neither.
  std::string Goes(const std::string& address, uint16_t port) {
    const UniqueFd client = space_.Connect(address, port);
    if (!client.valid()) return "refused";
    const auto [name, name_told] = Accepted(names_);
    const auto [other, other_told] = Accepted(others_);
    if (!name_told.empty()) return "names";
    return other_told;
  }

  NetworkSpace space_;
  UniqueFd names_, others_, link_;
};

TEST_F(SocketLookupTest, EveryPortOfEveryAddressComesToOneSocket) {
  for (const uint16_t port : std::vector<uint16_t>{1, 22, 80, 443, 3128, 8080, 65535}) {
    EXPECT_EQ(Goes("93.184.216.34", port), absl::StrCat("::ffff:93.184.216.34 ", port));
    EXPECT_EQ(Goes("2606:2800::1", port), absl::StrCat("2606:2800::1 ", port));
  }
  for (const char* address : {"10.0.0.1", "169.254.169.254", "198.18.0.1", "126.255.255.255",
                              "128.0.0.0", "192.0.0.7", "192.0.0.9"}) {
    EXPECT_EQ(Goes(address, kPort), absl::StrCat("::ffff:", address, " ", kPort));
  }
  for (const char* address : {"::2", "::1:1", "1::1", "0:1::1", "64:ff9b::7f00:1"}) {
    EXPECT_NE(Goes(address, kPort), "refused") << address;
  }
}

TEST_F(SocketLookupTest, WhatIsTheSandboxesOwnPassesByIt) {
  space_.Ip("addr add 192.0.0.8/32 dev lo");
  const std::vector<std::string> own = {"127.0.0.1", "127.255.0.3", "::1", "192.0.0.8",
                                        "::ffff:127.0.0.1"};
  for (const std::string& address : own) {
    EXPECT_EQ(Goes(address, kPort), "refused") << address << ": nobody listens";
  }
  const UniqueFd server = space_.Listen(kPort);
  for (const std::string& address : own) {
    EXPECT_EQ(Goes(address, kPort), "") << address;
    EXPECT_NE(Accepted(server).second, "") << address;
  }
  EXPECT_NE(Goes("93.184.216.34", kPort), "") << "who listens everywhere gets nothing else";
  EXPECT_EQ(Accepted(server).second, "");
}

TEST_F(SocketLookupTest, ThePortOfNamesIsThatOfNamesAtEveryAddress) {
  for (const char* address : {"127.0.0.1", "::1", "9.9.9.9", "2606:2800::1"}) {
    for (int i = 0; i < 20; ++i) {  // the two share the port, and a hash would choose
      EXPECT_EQ(Goes(address, kLookupNamesPort), "names") << address;
    }
  }
}

TEST_F(SocketLookupTest, WhatComesBesideGetsNothingOfIt) {
  const UniqueFd same_port = SharedListener(space_, kLookupNamesPort);
  const UniqueFd everywhere = space_.Listen(kPort);
  for (int i = 0; i < 20; ++i) EXPECT_EQ(Goes("93.184.216.34", kPort), "::ffff:93.184.216.34 4443");
  EXPECT_EQ(Accepted(same_port).second, "");
  EXPECT_EQ(Accepted(everywhere).second, "");
  others_.Reset();
  EXPECT_EQ(Goes("93.184.216.34", kPort), "refused") << "not even when its socket is gone";
  EXPECT_EQ(Accepted(everywhere).second, "");
}

TEST_F(SocketLookupTest, AServerCanHaveAPortOfAnOpenConnection) {
  const UniqueFd client = space_.Connect("93.184.216.34", kPort);
  const auto [accepted, told] = Accepted(others_);
  ASSERT_EQ(told, "::ffff:93.184.216.34 4443");
  space_.Inside([] {
    const UniqueFd server(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    const int on = 1;
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(kPort);
    ASSERT_EQ(::setsockopt(server.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on), 0);
    ASSERT_EQ(::bind(server.get(), reinterpret_cast<sockaddr*>(&address), sizeof address), 0)
        << strerror(errno);
    ASSERT_EQ(::listen(server.get(), 1), 0) << strerror(errno);
  });
}

TEST_F(SocketLookupTest, ItEndsWithItsDescriptor) {
  EXPECT_EQ(Goes("93.184.216.34", kPort), "::ffff:93.184.216.34 4443");
  link_.Reset();
  EXPECT_EQ(Goes("93.184.216.34", kPort), "refused");
}

// As when a daemon takes over while the one before still dies.
TEST_F(SocketLookupTest, TheLatestOfTwoDecides) {
  const UniqueFd new_names = SharedListener(space_, kLookupNamesPort);
  const UniqueFd new_others = SharedListener(space_, kLookupNamesPort);
  const auto lookup = SocketLookup::Load();
  ASSERT_TRUE(lookup.ok()) << lookup.status();
  const auto link = lookup->Attach(new_names.get(), new_others.get(), HostsNamespace());
  ASSERT_TRUE(link.ok()) << link.status();
  EXPECT_EQ(Goes("93.184.216.34", kPort), "");
  EXPECT_NE(Accepted(new_others).second, "");
  others_.Reset();
  EXPECT_EQ(Goes("93.184.216.34", kPort), "");
  EXPECT_NE(Accepted(new_others).second, "") << "the other one's are gone";
}

TEST_F(SocketLookupTest, OtherNamespacesAreLeftAlone) {
  const auto lookup = SocketLookup::Load();
  ASSERT_TRUE(lookup.ok()) << lookup.status();
  const NetworkSpace other;
  const UniqueFd stranger = SharedListener(other, kLookupNamesPort);
  EXPECT_EQ(lookup->Attach(names_.get(), stranger.get(), HostsNamespace()).status().code(),
            absl::StatusCode::kInvalidArgument);
  const UniqueFd hosts(::socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0));
  EXPECT_EQ(lookup->Attach(hosts.get(), hosts.get(), HostsNamespace()).status().code(),
            absl::StatusCode::kPermissionDenied);
}

}  // namespace
}  // namespace glovebox
