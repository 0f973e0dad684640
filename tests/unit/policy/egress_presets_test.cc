#include "policy/egress_presets.h"

#include <gtest/gtest.h>

#include <set>

#include "absl/strings/match.h"
#include "base/status.h"
#include "policy/egress_rules.h"

namespace glovebox {
namespace {

absl::StatusOr<EgressRules> With(const std::string& preset) {
  EgressPolicy policy;
  policy.mode = EgressMode::kAllowList;
  policy.presets = {preset};
  return EgressRules::Compile(policy);
}

TEST(EgressPresets, EachCompilesAndEachRuleHasAReason) {
  std::set<std::string> names;
  for (const EgressPreset& preset : EgressPresets()) {
    names.insert(preset.name);
    const auto rules = With(preset.name);
    ASSERT_TRUE(rules.ok()) << preset.name << rules.status();
    EXPECT_EQ(rules->size(), preset.rules.size());
    ASSERT_EQ(preset.reasons.size(), preset.rules.size());
    for (const std::string& reason : preset.reasons) EXPECT_GT(reason.size(), 4u) << preset.name;
    EXPECT_TRUE(absl::EndsWith(preset.summary, ".")) << preset.name;
  }
  for (const char* name : {"alpine", "crates", "debian", "github", "github-read", "go", "maven",
                           "npm", "nuget", "pypi", "rubygems", "ubuntu"}) {
    EXPECT_TRUE(names.contains(name)) << name;
  }
}

TEST(EgressPresets, OnlyThoseThatLookIntoTlsNeedInterception) {
  for (const EgressPreset& preset : EgressPresets()) {
    const auto rules = With(preset.name);
    ASSERT_TRUE(rules.ok()) << preset.name << rules.status();
    EXPECT_EQ(rules->opens_tls(), preset.name == "github-read") << preset.name;
  }
}

TEST(EgressPresets, AReadingPresetRefusesAPush) {
  const auto rules = With("github-read");
  ASSERT_TRUE(rules.ok()) << rules.status();
  const HostName host = HostName::Parse("github.com").value();
  const auto post = [&](const char* path) {
    return rules->JudgeRequest(host, 443, EgressScheme::kHttps, "POST", path).denial;
  };
  EXPECT_EQ(post("/me/repo.git/git-upload-pack"), EgressDenial::kNone);
  EXPECT_EQ(post("/me/repo.git/git-receive-pack"), EgressDenial::kRequestNotAllowed);
  EXPECT_EQ(post("/login"), EgressDenial::kRequestNotAllowed);
}

TEST(EgressPresets, AnUnknownOneIsRefusedWithThoseThatThereAre) {
  const absl::Status status = With("pipy").status();
  EXPECT_TRUE(absl::IsInvalidArgument(status));
  EXPECT_TRUE(absl::StrContains(status.message(), "pypi")) << status;
  EXPECT_EQ(GetErrorDetail(status)->metadata.at("field"), "presets[0]");
}

TEST(EgressPresetFiles, ALineWithoutReasonIsRefused) {
  EXPECT_TRUE(ParseEgressPreset("x", "# For tests.\ntls a.example # why\n").ok());
  for (const char* text :
       {"", "tls a.example # why\n", "# For tests.\n", "# For tests.\ntls a.example\n",
        "# For tests.\ntls a.example # \n", "# For tests.\nudp a.example # why\n",
        "# For tests.\ntls # why\n", "# For tests.\ntls a b c d # why\n"}) {
    EXPECT_TRUE(absl::IsInvalidArgument(ParseEgressPreset("x", text).status())) << text;
  }
}

}  // namespace
}  // namespace glovebox
