#include "egress/egress_policy_wire.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <string>

#include "base/wire_field.h"

namespace glovebox {
namespace {

EgressPolicy Full() {
  EgressPolicy policy;
  policy.mode = EgressMode::kAllowList;
  EgressRule rule;
  rule.name = "read";
  rule.host = "*.example";
  rule.ports = {80, 8080};
  rule.scheme = EgressScheme::kHttp;
  rule.methods = {"GET", "HEAD"};
  rule.paths = {"/a/*", "/b/**"};
  rule.credential = EgressCredential{"token", "Authorization", "user", "Bearer "};
  policy.rules = {rule, EgressRule{}};
  policy.rules[1].host = "git.example";
  policy.rules[1].ports = {22};
  policy.presets = {"debian", "pypi"};
  policy.limits = {7, 8, UINT64_MAX - 1, 0};
  policy.private_ranges_allowed = {"10.0.0.0/8", "fd00::/8"};
  return policy;
}

void ExpectWrong(const std::string& bytes, const std::string& what) {
  EXPECT_EQ(DecodeEgressPolicy(bytes).status().code(), absl::StatusCode::kDataLoss) << what;
}

TEST(EgressPolicyWire, WhatIsWrittenIsRead) {
  for (const EgressPolicy& policy : {EgressPolicy(), Full()}) {
    const auto read = DecodeEgressPolicy(EncodeEgressPolicy(policy));
    ASSERT_TRUE(read.ok()) << read.status();
    EXPECT_EQ(*read, policy);
  }
}

TEST(EgressPolicyWire, SecretsGoBesideThePolicy) {
  const std::string bytes = EncodeEgressPolicy(
      Full(), {{"token", SecretValue("s3cr3t-1")}, {"other", SecretValue("s3cr3t-2")}});
  EgressSecrets secrets;
  const auto read = DecodeEgressPolicy(bytes, &secrets);
  ASSERT_TRUE(read.ok()) << read.status();
  EXPECT_EQ(*read, Full());
  ASSERT_EQ(secrets.size(), 2u);
  EXPECT_TRUE(secrets["token"].Is("s3cr3t-1"));
  EXPECT_TRUE(secrets["other"].Is("s3cr3t-2"));
}

TEST(EgressPolicyWire, NothingIsAPolicyThatAllowsNothing) {
  const auto read = DecodeEgressPolicy("");
  ASSERT_TRUE(read.ok()) << read.status();
  EXPECT_EQ(*read, EgressPolicy());
  EXPECT_EQ(read->mode, EgressMode::kNone);
}

TEST(EgressPolicyWire, APartOfAPolicyIsNoOtherPolicy) {
  const std::string whole = EncodeEgressPolicy(Full());
  for (size_t size = 0; size < whole.size(); ++size) {
    const auto read = DecodeEgressPolicy(whole.substr(0, size));
    if (read.ok()) {
      EXPECT_NE(*read, Full()) << size;
    } else {
      EXPECT_EQ(read.status().code(), absl::StatusCode::kDataLoss) << size;
    }
  }
}

TEST(EgressPolicyWire, WhatIsOfAnotherFormIsRefused) {
  ExpectWrong("\xff", "no field");
  WireWriter unknown;
  unknown.Number(9, 1);
  ExpectWrong(unknown.Take(), "a field that no policy has");
  WireWriter mode;
  mode.Bytes(1, "x");
  ExpectWrong(mode.Take(), "a mode of bytes");
  WireWriter large;
  large.Number(1, uint64_t{1} << 32 | 3);
  ExpectWrong(large.Take(), "a mode whose low half is full");
  WireWriter rule;
  rule.Number(2, 1);
  ExpectWrong(rule.Take(), "a rule that is a number");
  WireWriter credential, in_rule, in_policy;
  credential.Bytes(5, "x");
  in_rule.Bytes(7, credential.Take());
  in_policy.Bytes(2, in_rule.Take());
  ExpectWrong(in_policy.Take(), "a field that no credential has");
  WireWriter limits, with_limits;
  limits.Number(5, 1);
  with_limits.Bytes(4, limits.Take());
  ExpectWrong(with_limits.Take(), "a limit that there is not");
}

TEST(EgressPolicyWire, MoreThanTheMostIsRefused) {
  WireWriter writer;
  writer.Bytes(3, std::string(kEgressPolicyBytesMax, 'x'));
  ExpectWrong(writer.Take(), "too much");
}

}  // namespace
}  // namespace glovebox
