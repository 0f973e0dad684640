#include "front/door_counts.h"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>

#include <algorithm>

namespace glovebox {
namespace {

TcpEndpoint From(const char* address) {
  TcpEndpoint endpoint;
  EXPECT_EQ(::inet_pton(AF_INET6, address, endpoint.address.data()), 1) << address;
  endpoint.port = 1;
  return endpoint;
}

TEST(DoorCounts, StrangersEndAtTheirLimitOfEachNetworkAndOfAll) {
  DoorCounts counts({.connections_max = 100, .strangers_max = 3, .network_strangers_max = 2});
  const TcpEndpoint first = From("::ffff:192.0.2.1");
  EXPECT_EQ(counts.Enter(first), FrontRefusal::kNone);
  EXPECT_EQ(counts.Enter(first), FrontRefusal::kNone);
  EXPECT_EQ(counts.Enter(first), FrontRefusal::kNetworkFull);
  EXPECT_EQ(counts.Words(FrontRefusal::kNetworkFull, first),
            "in the handshake, 192.0.2.1 has 2 connections, which is the most");
  EXPECT_EQ(counts.Enter(From("::ffff:192.0.2.2")), FrontRefusal::kNone);
  EXPECT_EQ(counts.Enter(From("::ffff:192.0.2.3")), FrontRefusal::kStrangersFull);
  counts.NoLongerStranger(first);  // through the handshake, or gone
  EXPECT_EQ(counts.Enter(From("::ffff:192.0.2.3")), FrontRefusal::kNone);
}

TEST(DoorCounts, ANetworkOfIpv6IsItsUpperHalf) {
  DoorCounts counts({.connections_max = 100, .strangers_max = 100, .network_strangers_max = 1});
  EXPECT_EQ(counts.Enter(From("2001:db8::1")), FrontRefusal::kNone);
  EXPECT_EQ(counts.Enter(From("2001:db8::ffff:2")), FrontRefusal::kNetworkFull);
  EXPECT_EQ(counts.Enter(From("2001:db8:0:1::1")), FrontRefusal::kNone);
}

TEST(DoorCounts, AllConnectionsEndAtTheirLimitAlsoThoseOfKnownClients) {
  DoorCounts counts({.connections_max = 2, .strangers_max = 2, .network_strangers_max = 2});
  const TcpEndpoint client = From("::ffff:192.0.2.1");
  for (int i = 0; i < 2; ++i) {
    EXPECT_EQ(counts.Enter(client), FrontRefusal::kNone);
    counts.NoLongerStranger(client);
  }
  EXPECT_EQ(counts.Enter(client), FrontRefusal::kAllFull);
  counts.Leave();
  EXPECT_EQ(counts.Enter(client), FrontRefusal::kNone);
}

}  // namespace
}  // namespace glovebox
