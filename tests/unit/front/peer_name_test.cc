#include "front/peer_name.h"

#include <gtest/gtest.h>

#include "tests/unit/front/test_authority.h"

namespace glovebox {
namespace {

std::string NameOf(const CertificateWish& wish) {
  const TestAuthority authority;
  return PeerName(authority.Sign(wish).certificate.get(), 64);
}

TEST(PeerName, IsTheFirstAlternativeNameAndWithoutAnyTheCommonName) {
  EXPECT_EQ(NameOf({"common", "DNS:ci.example,DNS:second"}), "ci.example");
  EXPECT_EQ(NameOf({"common", "URI:spiffe://a/b,DNS:second"}), "spiffe://a/b");
  EXPECT_EQ(NameOf({"common", "email:a@example"}), "a@example");
  EXPECT_EQ(NameOf({"common", "IP:192.0.2.1"}), "192.0.2.1");
  EXPECT_EQ(NameOf({"common", "IP:2001:db8::1"}), "2001:db8::1");
  EXPECT_EQ(NameOf({"common", ""}), "common");
  EXPECT_EQ(NameOf({"", ""}), "");
}

TEST(PeerName, AFirstNameOfAnotherKindIsNone) {
  EXPECT_EQ(NameOf({"common", "RID:1.2.3.4,DNS:ci.example"}), "");
}

TEST(PeerName, OddBytesStayAsTheyAreAndLongOnesAreCutOff) {
  EXPECT_EQ(NameOf({"a \xc3\xa4\"", ""}), "a \xc3\xa4\"");
  EXPECT_EQ(NameOf({"", "DNS:" + std::string(200, 'a')}), std::string(64, 'a'));
}

}  // namespace
}  // namespace glovebox
