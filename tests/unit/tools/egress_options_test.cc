#include "tools/glovebox/egress_options.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "tools/glovebox/create_options.h"
#include "tools/glovebox/egress_rule_argument.h"

namespace glovebox {
namespace {

// "host scheme ports" of each rule, or the error.
std::string Rules(const std::string& text) {
  const auto rules = ParseAllow(text);
  if (!rules.ok()) return std::string(rules.status().message());
  std::vector<std::string> out;
  for (const v1::EgressRule& rule : *rules) {
    out.push_back(
        absl::StrCat(rule.host(), " ", rule.scheme(), " ", absl::StrJoin(rule.ports(), ",")));
  }
  return absl::StrJoin(out, "; ");
}

v1::EgressPolicy Built(const EgressOptions& options) {
  const auto policy = BuildEgress(options, EgressUse::kWhole);
  EXPECT_TRUE(policy.ok()) << policy.status();
  EXPECT_TRUE(policy->has_value());
  return policy.ok() && policy->has_value() ? **policy : v1::EgressPolicy();
}

TEST(EgressOptionsTest, ThePortSaysWhatIsSpoken) {
  EXPECT_EQ(Rules("pypi.org"), "pypi.org 3 443");
  EXPECT_EQ(Rules("pypi.org:443"), "pypi.org 3 443");
  EXPECT_EQ(Rules("deb.debian.org:80"), "deb.debian.org 2 80");
  EXPECT_EQ(Rules("db.example.com:5432"), "db.example.com 1 5432");
  EXPECT_EQ(Rules("*.example.com:80,443,22,9418"),
            "*.example.com 2 80; *.example.com 3 443; *.example.com 1 22,9418");
  EXPECT_EQ(Rules("PyPI.org."), "pypi.org 3 443");
}

TEST(EgressOptionsTest, WhatIsNoNameOrPortIsRefusedWithWhatWouldBeRight) {
  for (const char* text :
       {"", ":443", "*", "*.com", "a b", "host:", "host:0", "host:65536", "host:443,", "host:https",
        "127.0.0.1", "10.0.0.1:22", "::1", "[2001:db8::1]:443", "https://pypi.org",
        "pypi.org/simple", "user@pypi.org", "\x1b[31mred.example"}) {
    const auto rules = ParseAllow(text);
    EXPECT_TRUE(absl::IsInvalidArgument(rules.status())) << text;
    EXPECT_NE(rules.status().message().find("--allow"), absl::string_view::npos) << text;
    EXPECT_EQ(rules.status().message().find('\x1b'), absl::string_view::npos);
  }
  EXPECT_NE(Rules("https://pypi.org").find("pypi.org:443"), std::string::npos);
}

TEST(EgressOptionsTest, RequestsAreRulesWithMethodsAndPaths) {
  const auto rule = ParseAllowRequest("GET,HEAD https://pypi.org:8443/simple/**");
  ASSERT_TRUE(rule.ok()) << rule.status();
  EXPECT_EQ(rule->ShortDebugString(),
            "host: \"pypi.org\" ports: 8443 scheme: EGRESS_SCHEME_HTTPS methods: \"GET\" "
            "methods: \"HEAD\" paths: \"/simple/**\"");
  EXPECT_EQ(ParseAllowRequest("http://*.debian.org")->ShortDebugString(),
            "host: \"*.debian.org\" scheme: EGRESS_SCHEME_HTTP");
  for (const char* text : {"", "GET", "GET pypi.org", "ftp://pypi.org", "https://", "https://a@b.c",
                           "https://10.0.0.1/", "https://pypi.org:0/"}) {
    const auto wrong = ParseAllowRequest(text);
    EXPECT_TRUE(absl::IsInvalidArgument(wrong.status())) << text;
    EXPECT_NE(wrong.status().message().find("--allow-request"), absl::string_view::npos) << text;
  }
}

TEST(EgressOptionsTest, CredentialsAreRulesWithASecret) {
  const auto basic = ParseCredential("secret=gh,url=https://github.com/me/**,user=x-access-token");
  ASSERT_TRUE(basic.ok()) << basic.status();
  EXPECT_EQ(basic->ShortDebugString(),
            "host: \"github.com\" scheme: EGRESS_SCHEME_HTTPS paths: \"/me/**\" "
            "credential { secret_name: \"gh\" basic_user: \"x-access-token\" }");
  const auto bearer =
      ParseCredential("secret=gh,url=https://api.github.com,header=Authorization,prefix=Bearer ");
  ASSERT_TRUE(bearer.ok()) << bearer.status();
  EXPECT_EQ(bearer->credential().ShortDebugString(),
            "secret_name: \"gh\" header: \"Authorization\" prefix: \"Bearer \"");
  for (const char* text :
       {"", "gh", "secret=gh", "secret=gh,url=https://a.example", "url=github.com,user=x",
        "secret=gh,url=http://a.example,user=x", "secret=gh,url=https://a.example,user=x,header=y",
        "secret=gh,url=https://a.example,user=x,more=y",
        "secret=gh,url=https://a.example,url=https://b.example,user=x",
        "secret=gh,secret=gh,url=https://a.example,user=x",
        "secret=gh,url=https://a.example,user=x,user", "secret=gh,url=https://a.example,user=x,",
        "secret=gh,url=https://a.example,header=y,prefix=a,prefix="}) {
    const auto wrong = ParseCredential(text);
    EXPECT_TRUE(absl::IsInvalidArgument(wrong.status())) << text;
    EXPECT_NE(wrong.status().message().find("--credential"), absl::string_view::npos) << text;
  }
}

TEST(EgressOptionsTest, HostsAndPresetsMakeItAnAllowList) {
  const auto nothing = BuildEgress({}, EgressUse::kWhole);
  ASSERT_TRUE(nothing.ok());
  EXPECT_FALSE(nothing->has_value());
  EXPECT_EQ(Built({.mode = "full"}).mode(), v1::EGRESS_MODE_FULL);
  EXPECT_EQ(Built({.mode = "none"}).mode(), v1::EGRESS_MODE_NONE);
  EXPECT_EQ(Built({.mode = "allow-list"}).mode(), v1::EGRESS_MODE_ALLOW_LIST);
  const v1::EgressPolicy policy = Built({.allow = {"a.example", "b.example:22"},
                                         .presets = {"pypi"},
                                         .private_ranges = {"10.1.0.0/16"}});
  EXPECT_EQ(policy.mode(), v1::EGRESS_MODE_ALLOW_LIST);
  ASSERT_EQ(policy.rules_size(), 2);
  EXPECT_EQ(policy.rules(1).host(), "b.example");
  EXPECT_EQ(policy.presets(0), "pypi");
  EXPECT_EQ(policy.private_ranges_allowed(0), "10.1.0.0/16");
}

TEST(EgressOptionsTest, WhatContradictsItselfIsRefused) {
  const auto is_built = [](const EgressOptions& options) {
    return BuildEgress(options, EgressUse::kWhole).ok();
  };
  EXPECT_FALSE(is_built({.mode = "full", .allow = {"a.example"}}));
  EXPECT_FALSE(is_built({.mode = "none", .presets = {"pypi"}}));
  EXPECT_FALSE(is_built({.mode = "allow_list"}));
  EXPECT_FALSE(is_built({.private_ranges = {"10.1.0.0"}}));
}

TEST(EgressOptionsTest, LimitsHaveNamesAndGoWithWhatIsAllowed) {
  const v1::EgressLimits limits =
      Built({.mode = "full", .limits = {"connections=8", "rate=2", "sent=1MiB", "received=2g"}})
          .limits();
  EXPECT_EQ(limits.connections_max(), 8u);
  EXPECT_EQ(limits.connections_per_second(), 2u);
  EXPECT_EQ(limits.sent_bytes_max(), uint64_t{1} << 20);
  EXPECT_EQ(limits.received_bytes_max(), uint64_t{2} << 30);
  EXPECT_FALSE(Built({.mode = "full"}).has_limits());
  EXPECT_TRUE(BuildEgress({.limits = {"rate=2"}}, EgressUse::kAddition).ok());
  EXPECT_FALSE(BuildEgress({.limits = {"rate=2"}}, EgressUse::kWhole).ok());
  for (const char* wrong : {"", "rate", "rate=", "rate=0", "rate=-1", "rate=2s", "sent=", "sent=x",
                            "connections=4294967296", "bytes=1", "\x1b=1"}) {
    const auto policy = BuildEgress({.mode = "full", .limits = {wrong}}, EgressUse::kWhole);
    EXPECT_TRUE(absl::IsInvalidArgument(policy.status())) << wrong;
    EXPECT_EQ(policy.status().message().find('\x1b'), absl::string_view::npos);
  }
}

TEST(EgressOptionsTest, CreateCarriesThePolicy) {
  SandboxOptions options;
  EXPECT_FALSE(BuildCreateRequest(options)->has_egress());
  options.egress.allow = {"pypi.org"};
  EXPECT_EQ(BuildCreateRequest(options)->egress().rules(0).host(), "pypi.org");
  options.egress.mode = "full";
  EXPECT_TRUE(absl::IsInvalidArgument(BuildCreateRequest(options).status()));
}

}  // namespace
}  // namespace glovebox
