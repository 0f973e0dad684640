#include "daemon/peer_registry.h"

#include <gtest/gtest.h>
#include <sys/socket.h>

#include <array>

#include "base/status.h"
#include "base/unique_fd.h"
#include "linux/tcp_endpoint.h"

namespace glovebox {
namespace {

std::string ReasonOf(const absl::Status& status) {
  const auto detail = GetErrorDetail(status);
  return detail.has_value() ? detail->reason : "none";
}

TEST(PrincipalOfCertificate, IsItsNameAndNothingOddIsOne) {
  EXPECT_EQ(*PrincipalOfCertificate("ci.example"), "cert:ci.example");
  EXPECT_EQ(*PrincipalOfCertificate("spiffe://a/b"), "cert:spiffe://a/b");
  for (const std::string& odd :
       {std::string(""), std::string("a b"), std::string("a\nb"), std::string("a\"b"),
        std::string("a\0b", 3), std::string("\xc3\xa4"), std::string(254, 'a')}) {
    EXPECT_EQ(ReasonOf(PrincipalOfCertificate(odd).status()), "CALLER_UNKNOWN") << odd;
  }
  EXPECT_TRUE(absl::IsUnauthenticated(PrincipalOfCertificate("").status()));
}

TEST(PeerRegistryTest, RootAndTheDaemonsOwnUserAndWhoIsNamedAreAdministrators) {
  const PeerRegistry peers(RolePolicy{5, {"cert:ops"}, std::nullopt});
  EXPECT_TRUE(peers.WithRole("uid:0")->admin);
  EXPECT_TRUE(peers.WithRole("uid:5")->admin);
  EXPECT_TRUE(peers.WithRole("cert:ops")->admin);
  EXPECT_FALSE(peers.WithRole("uid:6")->admin);
  EXPECT_FALSE(peers.WithRole("cert:uid:0")->admin);
}

TEST(PeerRegistryTest, WithAListOfOwnersNobodyElseMayCall) {
  const PeerRegistry peers(RolePolicy{0, {}, std::set<std::string>{"uid:6"}});
  EXPECT_TRUE(peers.WithRole("uid:6").ok());
  EXPECT_TRUE(peers.WithRole("uid:0").ok());
  EXPECT_EQ(ReasonOf(peers.WithRole("uid:7").status()), "CALLER_NOT_ALLOWED");
}

struct Pair {
  UniqueFd ours, theirs;
};
Pair Connection() {
  std::array<int, 2> fds = {-1, -1};
  EXPECT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds.data()), 0);
  return {UniqueFd(fds[0]), UniqueFd(fds[1])};
}

Peer Client(uid_t uid) {
  Peer peer;
  peer.uid = uid;
  return peer;
}

std::string QuotaOf(const absl::Status& status) {
  const auto detail = GetErrorDetail(status);
  if (!detail.has_value()) return "none";
  for (const auto& [key, value] : detail->metadata) {
    if (key == "quota") return value;
  }
  return detail->reason;
}

TEST(PeerRegistryTest, AClientsConnectionsEndAtItsQuotaAndClosedOnesDoNotCount) {
  PeerRegistry peers(RolePolicy{}, {.of_client = 2});
  Pair first = Connection();
  const Pair second = Connection();
  const Pair third = Connection();
  EXPECT_TRUE(peers.Add(first.ours.get(), Client(6)).ok());
  EXPECT_TRUE(peers.Add(second.ours.get(), Client(6)).ok());
  EXPECT_EQ(QuotaOf(peers.Add(third.ours.get(), Client(6))), "connections_max");
  EXPECT_TRUE(peers.Add(third.ours.get(), Client(7)).ok());
  EXPECT_TRUE(peers.Add(third.ours.get(), Client(0)).ok());  // root
  first = Pair();
  const Pair fourth = Connection();  // with the same numbers
  EXPECT_TRUE(peers.Add(fourth.ours.get(), Client(6)).ok());
}

TEST(PeerRegistryTest, AllConnectionsEndAtTheirLimitAndAdministratorsGetThrough) {
  PeerRegistry peers(RolePolicy{}, {.of_client = 2, .all = 3});
  std::array<Pair, 5> pairs;
  for (Pair& pair : pairs) pair = Connection();
  for (uid_t uid = 1; uid <= 3; ++uid) {
    EXPECT_TRUE(peers.Add(pairs[uid].ours.get(), Client(uid)).ok());
  }
  EXPECT_EQ(QuotaOf(peers.Add(pairs[4].ours.get(), Client(4))), "limits.connections_max");
  EXPECT_EQ(QuotaOf(peers.AddTcp(pairs[4].ours.get(), {}, "a")), "limits.connections_max");
  EXPECT_TRUE(peers.Add(pairs[0].ours.get(), Client(0)).ok());
  pairs[2] = Pair();
  EXPECT_TRUE(peers.Add(pairs[4].ours.get(), Client(4)).ok());
}

TEST(PeerRegistryTest, StrangersEndAtTheirLimitOfEachNetworkAndOfAll) {
  PeerRegistry peers(RolePolicy{}, {.of_client = 2, .all = 100, .strangers = 3});
  std::array<Pair, 5> pairs;
  for (Pair& pair : pairs) pair = Connection();
  const auto from = [](uint8_t host, uint16_t port) {
    return TcpEndpoint{{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 192, 0, 2, host}, port};
  };
  EXPECT_TRUE(peers.AddTcp(pairs[0].ours.get(), from(1, 1), "a").ok());
  EXPECT_TRUE(peers.AddTcp(pairs[1].ours.get(), from(1, 2), "a").ok());
  EXPECT_EQ(QuotaOf(peers.AddTcp(pairs[2].ours.get(), from(1, 3), "a")), "connections_max");
  EXPECT_TRUE(peers.AddTcp(pairs[2].ours.get(), from(2, 3), "a").ok());
  EXPECT_EQ(QuotaOf(peers.AddTcp(pairs[3].ours.get(), from(3, 4), "a")), "limits.connections_max");
  EXPECT_TRUE(peers.Add(pairs[3].ours.get(), Client(6)).ok()) << "the unix socket is another door";
  pairs[0] = Pair();
  EXPECT_TRUE(peers.AddTcp(pairs[4].ours.get(), from(1, 5), "a").ok());
}

}  // namespace
}  // namespace glovebox
