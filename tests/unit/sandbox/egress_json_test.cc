#include "sandbox/egress_json.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "base/status.h"

namespace glovebox {
namespace {

EgressPolicy Unusual() {
  EgressPolicy policy;
  policy.mode = EgressMode::kAllowList;
  policy.rules = {
      {"read", "*.example", {80, 8080}, EgressScheme::kHttp, {"GET"}, {"/a/**"}, {}},
      {"", "db.example", {5432}, EgressScheme::kTcp, {}, {}, {}},
      {"api", "api.example", {}, EgressScheme::kHttps, {}, {}, {{"token", "X-Key", "", "Key "}}}};
  policy.presets = {"pypi"};
  policy.private_ranges_allowed = {"10.0.0.0/8"};
  policy.limits = {7, 9, 1 << 20, UINT64_MAX};
  return policy;
}

TEST(EgressJson, WhatWasWrittenIsRead) {
  for (const EgressPolicy& policy : {EgressPolicy(), Unusual()}) {
    const auto read = ParseEgress(FormatEgress(policy));
    ASSERT_TRUE(read.ok()) << read.status();
    EXPECT_TRUE(*read == policy) << FormatEgress(policy);
  }
}

// A default in the place of what is lost could allow more.
TEST(EgressJson, WhatIsNotWholeIsNoPolicy) {
  const nlohmann::json whole = nlohmann::json::parse(FormatEgress(Unusual()));
  const auto refused = [](const nlohmann::json& json) {
    const auto read = ParseEgress(json.dump());
    return !read.ok() && GetErrorDetail(read.status())->reason == "STATE_DB_DAMAGED";
  };
  ASSERT_FALSE(refused(whole)) << "the control";
  for (const auto& [key, value] : whole.items()) {
    nlohmann::json without = whole;
    without.erase(key);
    EXPECT_TRUE(refused(without)) << key;
    nlohmann::json other = whole;
    other[key] = nullptr;
    EXPECT_TRUE(refused(other)) << key;
  }
  for (const auto& [key, value] : whole["rules"][0].items()) {
    nlohmann::json without = whole;
    without["rules"][0].erase(key);
    EXPECT_TRUE(refused(without)) << key;
  }
  nlohmann::json port = whole;
  port["rules"][0]["ports"][0] = 65536;
  EXPECT_TRUE(refused(port));
  nlohmann::json mode = whole;
  mode["mode"] = uint64_t{1} << 32 | 3;
  EXPECT_TRUE(refused(mode)) << "not cut to what fits";
  EXPECT_FALSE(ParseEgress("").ok());
  EXPECT_FALSE(ParseEgress("[]").ok());
}

TEST(EgressJson, TheEtagIsThatOfTheContent) {
  EXPECT_EQ(EgressEtag(Unusual()), EgressEtag(Unusual()));
  EgressPolicy other = Unusual();
  other.rules[0].ports[0] = 81;
  EXPECT_NE(EgressEtag(other), EgressEtag(Unusual()));
  EXPECT_EQ(EgressEtag(other).size(), 16u);
}

}  // namespace
}  // namespace glovebox
