#include "daemon/name_servers.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "absl/strings/str_join.h"
#include "egress/egress_wire.h"

namespace glovebox {
namespace {

std::string Servers(absl::string_view resolv_conf) {
  return absl::StrJoin(ParseNameServers(resolv_conf), " ",
                       [](std::string* out, const IpAddress& address) { *out += address.Text(); });
}

TEST(NameServers, AreThoseThatTheFileNames) {
  EXPECT_EQ(Servers("# made by hand\nsearch example\nnameserver 192.0.2.1\noptions edns0\n"
                    "nameserver\t2001:db8::53  \r\nnameserver 127.0.0.53"),
            "192.0.2.1 2001:db8::53 127.0.0.53");
}

TEST(NameServers, WhatIsNoAddressIsPassedOver) {
  EXPECT_EQ(Servers("nameserver fe80::1%eth0\nnameserver host\nnameserver\n#nameserver 192.0.2.1\n"
                    "nameservers 192.0.2.2\nnameserver 192.0.2.3 # the good one\n"),
            "192.0.2.3");
}

TEST(NameServers, WithoutAnyTheHostItselfIsAsked) {
  for (const char* none : {"", "\n", "search example\n", "nameserver x\n"}) {
    EXPECT_EQ(Servers(none), "127.0.0.1") << none;
    EXPECT_TRUE(NamedServers(none).empty()) << none;
  }
}

TEST(NameServers, ThereIsAnEndToThem) {
  std::string many;
  for (int i = 1; i < 100; ++i) many += "nameserver 192.0.2." + std::to_string(i) + "\n";
  EXPECT_EQ(ParseNameServers(many).size(), kEgressNameServersMax);
  EXPECT_EQ(Servers(many).substr(0, 19), "192.0.2.1 192.0.2.2");
}

TEST(NameServers, GoToTheProxyAndComeBack) {
  const auto servers = NamedServers("nameserver 192.0.2.1\nnameserver 2001:db8::53\n");
  EgressSetup setup;
  PutNameServers({IpAddress::V6({1}), IpAddress::V6({2}), IpAddress::V6({3})}, &setup);
  PutNameServers(servers, &setup);
  EXPECT_EQ(setup.name_servers, 2u);
  EXPECT_EQ(setup.name_server[1].port, 53u);
  EXPECT_EQ(NameServersOf(setup), servers);
  PutNameServers(std::vector<IpAddress>(9, servers[0]), &setup);
  EXPECT_EQ(setup.name_servers, kEgressNameServersMax);
}

}  // namespace
}  // namespace glovebox
