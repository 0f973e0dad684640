#include "daemon/peer_registry.h"

#include <gtest/gtest.h>
#include <sys/socket.h>

#include <array>

#include "base/status.h"
#include "base/unique_fd.h"

namespace glovebox {
namespace {

std::string ReasonOf(const absl::Status& status) {
  const auto detail = GetErrorDetail(status);
  return detail.has_value() ? detail->reason : "none";
}

TEST(PrincipalOfCertificate, IsTheFirstNameAndNothingOddIsOne) {
  EXPECT_EQ(*PrincipalOfCertificate({"ci.example", "second"}), "cert:ci.example");
  EXPECT_EQ(*PrincipalOfCertificate({"spiffe://a/b"}), "cert:spiffe://a/b");
  for (const std::string& odd :
       {std::string(""), std::string("a b"), std::string("a\nb"), std::string("a\"b"),
        std::string("a\0b", 3), std::string("\xc3\xa4"), std::string(254, 'a')}) {
    EXPECT_EQ(ReasonOf(PrincipalOfCertificate({odd}).status()), "CALLER_UNKNOWN") << odd;
  }
  EXPECT_TRUE(absl::IsUnauthenticated(PrincipalOfCertificate({}).status()));
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

TEST(PeerRegistryTest, AClientsConnectionsEndAtItsQuotaAndClosedOnesDoNotCount) {
  PeerRegistry peers(RolePolicy{});
  Peer client;
  client.uid = 6;
  Peer other;
  other.uid = 7;
  Pair first = Connection();
  const Pair second = Connection();
  const Pair third = Connection();
  EXPECT_TRUE(peers.Add(first.ours.get(), client, 2).ok());
  EXPECT_TRUE(peers.Add(second.ours.get(), client, 2).ok());
  EXPECT_EQ(ReasonOf(peers.Add(third.ours.get(), client, 2)), "CLIENT_QUOTA");
  EXPECT_TRUE(peers.Add(third.ours.get(), other, 2).ok());
  EXPECT_TRUE(peers.Add(third.ours.get(), Peer{}, 0).ok());  // root
  first = Pair();
  const Pair fourth = Connection();  // with the same numbers
  EXPECT_TRUE(peers.Add(fourth.ours.get(), client, 2).ok());
}

}  // namespace
}  // namespace glovebox
