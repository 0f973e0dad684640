#include "sandbox/state_rows.h"

#include <gtest/gtest.h>

namespace glovebox {
namespace {

CreateOptions Unusual() {
  CreateOptions options;
  options.owner = "cert:ci.example";
  options.seccomp_digest = "ab12";
  options.request_id = "r-1";
  options.image = "debian";
  options.repository = RepositorySource{"/srv/git/\"x\"", "main~2"};
  options.limits.memory_bytes = 123 * kMiB;
  options.limits.shm_inodes = 77;
  options.labels = {{"a", ""}, {"team", "käse\n"}};
  options.root_inside = true;
  options.seccomp = SeccompTier::kBuild;
  options.parent = "0123";
  const std::string digest = "sha256:" + std::string(64, 'c');
  options.caches = {{"", digest, "/c/käse"}, {"tools", digest, "/home/agent/.cache/x"}};
  options.egress.mode = EgressMode::kAllowList;
  options.egress.rules = {{"", "good.example", {443}, EgressScheme::kTls, {}, {}, {}}};
  options.egress_now.emplace().mode = EgressMode::kFull;
  return options;
}

TEST(StateRowsTest, OptionsSurviveTheWayThroughText) {
  for (const CreateOptions& options : {CreateOptions{}, Unusual()}) {
    const auto read = ParseOptions(FormatOptions(options));
    ASSERT_TRUE(read.ok()) << read.status();
    EXPECT_TRUE(*read == options) << FormatOptions(options);
  }
}

TEST(StateRowsTest, KeysOfANewerReleaseArePassedOverAndMissingOnesHaveTheirDefault) {
  const auto read =
      ParseOptions(R"({"image": "x", "from_the_future": [1, 2], "limits": {"y": 1}})");
  ASSERT_TRUE(read.ok()) << read.status();
  CreateOptions expected;
  expected.image = "x";
  EXPECT_TRUE(*read == expected);
}

TEST(StateRowsTest, WhatIsNotOptionsIsRefused) {
  for (const char* text :
       {"", "[]", "{", R"({"image": 1})", R"({"limits": []})",
        R"({"limits": {"memory_bytes": -1}})", R"({"labels": {"a": 1}})",
        R"({"root_inside": "yes"})", R"({"repository": "x"})", R"({"caches": {}})",
        R"({"caches": ["x"]})", R"({"caches": [{"name": "a", "target": "/proc"}]})",
        R"({"caches": [{"name": 1, "target": "/a"}]})", R"({"caches": [{"target": "/a"}]})",
        R"({"egress": "{}"})", R"({"egress": {}})", R"({"egress_now": "x"})"}) {
    EXPECT_EQ(ParseOptions(text).status().code(), absl::StatusCode::kDataLoss) << text;
  }
}

}  // namespace
}  // namespace glovebox
