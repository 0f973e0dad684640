#include "daemon/tcp_endpoint.h"

#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include "absl/strings/str_cat.h"
#include "base/status.h"

namespace glovebox {
namespace {

std::string TextOf(absl::string_view peer) {
  const auto endpoint = ParseGrpcPeer(peer);
  return endpoint.has_value() ? endpoint->Text() : "none";
}

TEST(TcpEndpoint, ReadsHowGrpcNamesAPeer) {
  EXPECT_EQ(TextOf("ipv4:192.0.2.1:443"), "192.0.2.1:443");
  EXPECT_EQ(TextOf("ipv6:%5B2001:db8::1%5D:443"), "[2001:db8::1]:443");
  EXPECT_EQ(TextOf("ipv6:%5Bfe80::1%25eth0%5D:1"), "[fe80::1]:1");
  EXPECT_EQ(TextOf("ipv6:%5B::ffff:192.0.2.1%5D:443"), "192.0.2.1:443");
  for (const char* odd :
       {"", "fd:3", "unix:/x", "ipv4:", "ipv4:192.0.2.1", "ipv4:192.0.2.1:", "ipv4:192.0.2.1:65536",
        "ipv4:192.0.2:1", "ipv6:::1:443", "ipv6:%5B::1:443", "ipv4:192.0.2.1:-1"}) {
    EXPECT_EQ(TextOf(odd), "none") << odd;
  }
}

TEST(TcpEndpoint, ANetworkIsWhatOneHostHasWithoutEffort) {
  EXPECT_EQ(ParseGrpcPeer("ipv4:192.0.2.1:443")->Network(), "192.0.2.1");
  EXPECT_EQ(ParseGrpcPeer("ipv6:%5B2001:db8::1%5D:1")->Network(),
            ParseGrpcPeer("ipv6:%5B2001:db8::ffff:2%5D:2")->Network());
  EXPECT_NE(ParseGrpcPeer("ipv6:%5B2001:db8::1%5D:1")->Network(),
            ParseGrpcPeer("ipv6:%5B2001:db8:0:1::1%5D:1")->Network());
}

TEST(ListenTcp, TellsThePortAndWhoConnectsAndWhatCannotBeHad) {
  auto listener = ListenTcp("127.0.0.1:0");
  ASSERT_TRUE(listener.ok()) << listener.status();
  EXPECT_GT(listener->port, 0);
  const UniqueFd client(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<uint16_t>(listener->port));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  ASSERT_EQ(::connect(client.get(), reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
  auto peer = PeerEndpointOf(client.get());
  ASSERT_TRUE(peer.ok()) << peer.status();
  EXPECT_EQ(peer->Text(), absl::StrCat("127.0.0.1:", listener->port));
  for (const std::string& refused :
       {absl::StrCat("127.0.0.1:", listener->port), std::string("192.0.2.1:0"),
        std::string("127.0.0.1"), std::string("no host:1")}) {
    const auto detail = GetErrorDetail(ListenTcp(refused).status());
    ASSERT_TRUE(detail.has_value()) << refused;
    EXPECT_EQ(detail->reason, "SOCKET_IN_USE");
  }
}

}  // namespace
}  // namespace glovebox
