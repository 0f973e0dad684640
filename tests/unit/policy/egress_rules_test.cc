#include "policy/egress_rules.h"

#include <gtest/gtest.h>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "base/status.h"

namespace glovebox {
namespace {

HostName Host(absl::string_view text) { return HostName::Parse(text).value(); }

EgressRule Rule(const std::string& host, EgressScheme scheme, std::vector<uint32_t> ports = {}) {
  EgressRule rule;
  rule.host = host;
  rule.scheme = scheme;
  rule.ports = std::move(ports);
  return rule;
}

EgressPolicy AllowList(std::vector<EgressRule> rules) {
  EgressPolicy policy;
  policy.mode = EgressMode::kAllowList;
  policy.rules = std::move(rules);
  return policy;
}

EgressRules Compiled(const EgressPolicy& policy, const EgressSecrets& secrets = {}) {
  auto rules = EgressRules::Compile(policy, secrets);
  EXPECT_TRUE(rules.ok()) << rules.status();
  return rules.ok() ? *std::move(rules) : EgressRules();
}

std::string FieldOf(const absl::Status& status) {
  const auto detail = GetErrorDetail(status);
  return detail.has_value() && detail->metadata.contains("field") ? detail->metadata.at("field")
                                                                  : "";
}

TEST(EgressModes, NoneReachesNothing) {
  for (const EgressRules& rules : {EgressRules(), Compiled(EgressPolicy())}) {
    EXPECT_FALSE(rules.Knows(Host("pypi.org")));
    EXPECT_EQ(rules.Judge(Host("pypi.org"), 443).denial, EgressDenial::kNoEgress);
    EXPECT_EQ(rules.JudgeNameless(IpAddress::V4(0x08080808), 443).denial, EgressDenial::kNoEgress);
    EXPECT_EQ(rules.JudgeAddress(IpAddress::V4(0x08080808)), EgressDenial::kNoEgress);
    EXPECT_EQ(rules.JudgeRequest(Host("pypi.org"), 80, EgressScheme::kHttp, "GET", "/").denial,
              EgressDenial::kNoEgress);
  }
}

TEST(EgressModes, FullReachesEverythingPublicByNameAndByAddress) {
  EgressPolicy policy;
  policy.mode = EgressMode::kFull;
  const EgressRules rules = Compiled(policy);
  EXPECT_TRUE(rules.Knows(Host("any.example")));
  EXPECT_EQ(rules.Judge(Host("any.example"), 22).tcp, "full");
  EXPECT_EQ(rules.JudgeNameless(IpAddress::V4(0x08080808), 22).tcp, "full");
  EXPECT_EQ(rules.JudgeNameless(IpAddress::V4(0x7f000001), 22).denial,
            EgressDenial::kPrivateAddress);
  EXPECT_EQ(rules.JudgeAddress(IpAddress::V4(0x0a000001)), EgressDenial::kPrivateAddress);
}

TEST(EgressModes, AnAllowListReachesNoAddressThatHasNoName) {
  const EgressRules rules = Compiled(AllowList({Rule("a.example", EgressScheme::kTcp, {22})}));
  EXPECT_EQ(rules.JudgeNameless(IpAddress::V4(0x08080808), 22).denial, EgressDenial::kNoRule);
  EXPECT_TRUE(rules.Judge(Host("a.example"), 22).allowed());
}

TEST(EgressModes, RulesNeedTheAllowList) {
  for (const EgressMode mode : {EgressMode::kNone, EgressMode::kFull}) {
    EgressPolicy policy = AllowList({Rule("a.example", EgressScheme::kTls)});
    policy.mode = mode;
    EXPECT_EQ(FieldOf(EgressRules::Compile(policy).status()), "mode");
    policy.rules.clear();
    EXPECT_TRUE(EgressRules::Compile(policy).ok());
    policy.presets = {"pypi"};
    EXPECT_EQ(FieldOf(EgressRules::Compile(policy).status()), "mode");
  }
}

TEST(EgressJudgements, NameAndPortDecideAndTheRuleIsNamed) {
  EgressRule ssh = Rule("git.example", EgressScheme::kTcp, {22, 2222});
  ssh.name = "ssh";
  const EgressRules rules = Compiled(AllowList(
      {ssh, Rule("git.example", EgressScheme::kTls), Rule("deb.example", EgressScheme::kHttp)}));
  EXPECT_EQ(rules.Judge(Host("git.example"), 22).tcp, "ssh");
  EXPECT_EQ(rules.Judge(Host("git.example"), 2222).tcp, "ssh");
  EXPECT_EQ(rules.Judge(Host("git.example"), 22).tls, "");
  EXPECT_EQ(rules.Judge(Host("git.example"), 443).tls, "git.example");
  EXPECT_EQ(rules.Judge(Host("git.example"), 80).denial, EgressDenial::kNoRule);
  EXPECT_EQ(rules.Judge(Host("deb.example"), 80).http, "deb.example");
  EXPECT_EQ(rules.Judge(Host("deb.example"), 443).denial, EgressDenial::kNoRule);
  EXPECT_EQ(rules.Judge(Host("other.example"), 443).denial, EgressDenial::kNoRule);
  EXPECT_EQ(rules.Judge(Host("git.example"), 0).denial, EgressDenial::kNoRule);
}

TEST(EgressJudgements, AStarHasEveryNameBelowAndNotItself) {
  const EgressRules rules = Compiled(AllowList({Rule("*.example.com", EgressScheme::kTls)}));
  for (const char* name : {"a.example.com", "a.b.example.com"}) {
    EXPECT_TRUE(rules.Knows(Host(name)));
    EXPECT_TRUE(rules.Judge(Host(name), 443).allowed()) << name;
  }
  for (const char* name :
       {"example.com", "aexample.com", "example.com.evil.org", "com", "a.example.org"}) {
    EXPECT_FALSE(rules.Knows(Host(name)));
    EXPECT_FALSE(rules.Judge(Host(name), 443).allowed()) << name;
  }
}

TEST(EgressJudgements, APrivateAddressIsRefusedUnlessItsRangeIsNamed) {
  EgressPolicy policy = AllowList({Rule("registry.internal", EgressScheme::kTls)});
  EXPECT_EQ(Compiled(policy).JudgeAddress(IpAddress::V4(0x0a010203)),
            EgressDenial::kPrivateAddress);
  policy.private_ranges_allowed = {"10.1.0.0/16"};
  EXPECT_EQ(Compiled(policy).JudgeAddress(IpAddress::V4(0x0a010203)), EgressDenial::kNone);
  EXPECT_EQ(Compiled(policy).JudgeAddress(IpAddress::V4(0x0a020203)),
            EgressDenial::kPrivateAddress);
  policy.private_ranges_allowed = {"10.1.0.0/16", "127.0.0.0/8"};
  EXPECT_EQ(FieldOf(EgressRules::Compile(policy).status()), "private_ranges_allowed[1]");
}

TEST(EgressJudgements, RequestsAreJudgedByMethodAndPath) {
  EgressRule read = Rule("git.example", EgressScheme::kHttp);
  read.methods = {"GET", "HEAD"};
  EgressRule fetch = Rule("git.example", EgressScheme::kHttp);
  fetch.name = "fetch";
  fetch.methods = {"POST"};
  fetch.paths = {"**/git-upload-pack"};
  const EgressRules rules =
      Compiled(AllowList({read, fetch, Rule("any.example", EgressScheme::kHttp)}));
  const auto judge = [&](const char* method, const char* path) {
    return rules.JudgeRequest(Host("git.example"), 80, EgressScheme::kHttp, method, path);
  };
  EXPECT_EQ(judge("GET", "/x").rule, "git.example");
  EXPECT_EQ(judge("POST", "/r.git/git-upload-pack").rule, "fetch");
  EXPECT_EQ(judge("POST", "/r.git/git-receive-pack").denial, EgressDenial::kRequestNotAllowed);
  EXPECT_EQ(rules.JudgeRequest(Host("git.example"), 80, EgressScheme::kHttp, "GET", {}).rule,
            "git.example")
      << "a path that two servers read differently fits a rule without paths";
  EXPECT_EQ(rules.JudgeRequest(Host("git.example"), 80, EgressScheme::kHttp, "POST", {}).denial,
            EgressDenial::kRequestNotAllowed);
  EXPECT_EQ(judge("get", "/x").denial, EgressDenial::kRequestNotAllowed);
  const auto judge_any = [&](const char* method) {
    return rules.JudgeRequest(Host("any.example"), 80, EgressScheme::kHttp, method, "/").denial;
  };
  EXPECT_EQ(judge_any("PROPFIND"), EgressDenial::kNone);
  for (const char* const never : {"TRACE", "trace", "TRACK", "Connect"}) {
    EXPECT_EQ(judge_any(never), EgressDenial::kRequestNotAllowed) << never;
  }
  EXPECT_EQ(rules.JudgeRequest(Host("git.example"), 81, EgressScheme::kHttp, "GET", "/").denial,
            EgressDenial::kNoRule);
  EXPECT_EQ(rules.JudgeRequest(Host("git.example"), 80, EgressScheme::kHttps, "GET", "/").denial,
            EgressDenial::kNoRule);
}

TEST(EgressInterception, OnlyRulesThatSeeRequestsOpenTls) {
  EgressRule seen = Rule("a.example", EgressScheme::kHttps);
  seen.methods = {"GET"};
  EXPECT_EQ(Compiled(AllowList({seen})).Judge(Host("a.example"), 443).intercept, "a.example");
  EXPECT_EQ(Compiled(AllowList({seen})).Judge(Host("a.example"), 443).tls, "");
  const EgressRule unseen = Rule("a.example", EgressScheme::kHttps);
  EXPECT_EQ(Compiled(AllowList({unseen})).Judge(Host("a.example"), 443).tls, "a.example");
  EXPECT_TRUE(Compiled(AllowList({unseen, seen})).opens_tls());
  EXPECT_FALSE(Compiled(AllowList({unseen})).opens_tls());
}

EgressRule WithSecret(const std::string& host, std::vector<std::string> paths = {}) {
  EgressRule rule = Rule(host, EgressScheme::kHttps);
  rule.name = "secret";
  rule.paths = std::move(paths);
  rule.credential = EgressCredential{"token", "Authorization", "", "Bearer "};
  return rule;
}

EgressSecrets Token() { return {{"token", SecretValue("s3cr3t-token")}}; }

TEST(EgressSecret, GoesToRequestsThatItsRuleAllowsAndToNoOthers) {
  EgressRule open = Rule("a.example", EgressScheme::kTls);
  const EgressRules rules =
      Compiled(AllowList({open, Rule("a.example", EgressScheme::kHttps, {8443}),
                          WithSecret("a.example", {"/mine/**"}), WithSecret("b.example")}),
               Token());
  const auto judge = [&](const char* host, uint16_t port, EgressScheme scheme, const char* path) {
    return rules.JudgeRequest(Host(host), port, scheme, "GET", path);
  };
  const EgressRequestGrant mine = judge("a.example", 443, EgressScheme::kHttps, "/mine/x");
  EXPECT_EQ(mine.rule, "secret");
  ASSERT_NE(mine.credential, nullptr);
  EXPECT_EQ(mine.credential->name(), "Authorization");
  EXPECT_EQ(mine.credential->value(), "Bearer s3cr3t-token");
  EXPECT_NE(judge("b.example", 443, EgressScheme::kHttps, "/any").credential, nullptr);
  EXPECT_EQ(judge("a.example", 443, EgressScheme::kHttps, "/other").credential, nullptr);
  EXPECT_EQ(judge("a.example", 8443, EgressScheme::kHttps, "/mine/x").credential, nullptr);
  EXPECT_EQ(judge("a.example", 443, EgressScheme::kHttp, "/mine/x").credential, nullptr);
  EXPECT_EQ(judge("c.example", 443, EgressScheme::kHttps, "/mine/x").credential, nullptr);
  EXPECT_EQ(judge("x.b.example", 443, EgressScheme::kHttps, "/").denial, EgressDenial::kNoRule);
}

TEST(EgressSecret, OpensTlsWhateverElseAllowsTheHost) {
  const EgressRules rules =
      Compiled(AllowList({Rule("a.example", EgressScheme::kTls),
                          Rule("a.example", EgressScheme::kTcp, {443}), WithSecret("a.example")}),
               Token());
  EXPECT_TRUE(rules.Judge(Host("a.example"), 443).opens);
  EXPECT_TRUE(rules.opens_tls());
  EXPECT_FALSE(Compiled(AllowList({Rule("a.example", EgressScheme::kTls)}))
                   .Judge(Host("a.example"), 443)
                   .opens);
}

TEST(EgressSecret, OneThatIsMissingRefusesWhatWouldNeedIt) {
  EgressRule all = Rule("a.example", EgressScheme::kHttps);
  all.methods = {"GET"};
  for (const EgressSecrets& secrets :
       {EgressSecrets(), EgressSecrets{{"other", SecretValue("s3cr3t-token")}},
        EgressSecrets{{"token", SecretValue("two\r\nlines")}}}) {
    const EgressRules rules =
        Compiled(AllowList({all, WithSecret("a.example", {"/mine"})}), secrets);
    const auto judge = [&](const char* path) {
      return rules.JudgeRequest(Host("a.example"), 443, EgressScheme::kHttps, "GET", path).denial;
    };
    EXPECT_EQ(judge("/mine"), EgressDenial::kSecretMissing);
    EXPECT_EQ(judge("/other"), EgressDenial::kNone);
  }
}

TEST(EgressSecret, GoesWithModeFull) {
  EgressPolicy policy = AllowList({WithSecret("a.example", {"/mine"})});
  policy.mode = EgressMode::kFull;
  const EgressRules rules = Compiled(policy, Token());
  EXPECT_TRUE(rules.Judge(Host("a.example"), 443).opens);
  EXPECT_FALSE(rules.Judge(Host("a.example"), 22).opens);
  EXPECT_FALSE(rules.Judge(Host("b.example"), 443).opens);
  const auto judge = [&](const char* path) {
    return rules.JudgeRequest(Host("a.example"), 443, EgressScheme::kHttps, "GET", path);
  };
  EXPECT_NE(judge("/mine").credential, nullptr);
  EXPECT_EQ(judge("/other").rule, "full");
  EXPECT_EQ(judge("/other").credential, nullptr);
  policy.rules.push_back(Rule("b.example", EgressScheme::kTls));
  EXPECT_EQ(FieldOf(EgressRules::Compile(policy).status()), "mode");
}

struct Fault {
  const char* field;
  void (*make)(EgressRule* rule);
};

TEST(EgressFaults, TheRuleAndTheFieldAreNamed) {
  const Fault faults[] = {
      {"rules[1].host", [](EgressRule* r) { r->host = "127.0.0.1"; }},
      {"rules[1].host", [](EgressRule* r) { r->host = "*"; }},
      {"rules[1].name", [](EgressRule* r) { r->name = "two words"; }},
      {"rules[1].name", [](EgressRule* r) { r->name = std::string(64, 'a'); }},
      {"rules[1].ports", [](EgressRule* r) { r->scheme = EgressScheme::kTcp; }},
      {"rules[1].ports", [](EgressRule* r) { r->ports = {0}; }},
      {"rules[1].ports", [](EgressRule* r) { r->ports = {65536}; }},
      {"rules[1].ports", [](EgressRule* r) { r->ports.assign(33, 1); }},
      {"rules[1].scheme",
       [](EgressRule* r) { r->scheme = EgressScheme::kTls, r->methods = {"GET"}; }},
      {"rules[1].scheme", [](EgressRule* r) { r->scheme = EgressScheme{9}; }},
      {"rules[1].methods", [](EgressRule* r) { r->methods = {"get"}; }},
      {"rules[1].methods", [](EgressRule* r) { r->methods = {"TRACE"}; }},
      {"rules[1].methods", [](EgressRule* r) { r->methods = {"TRACK"}; }},
      {"rules[1].methods", [](EgressRule* r) { r->methods.assign(17, "GET"); }},
      {"rules[1].paths", [](EgressRule* r) { r->paths = {"x"}; }},
      {"rules[1].paths", [](EgressRule* r) { r->paths.assign(65, "/x"); }},
      {"rules[1].credential",
       [](EgressRule* r) {
         r->credential = EgressCredential{"s", "h", "", ""};
       }},
      {"rules[1].credential",
       [](EgressRule* r) { *r = WithSecret("b.example"), r->credential->basic_user = "u"; }},
      {"rules[1].credential",
       [](EgressRule* r) { *r = WithSecret("b.example"), r->credential->header = ""; }},
      {"rules[1].credential.secret_name",
       [](EgressRule* r) { *r = WithSecret("b.example"), r->credential->secret_name = "../x"; }},
      {"rules[1].credential.header",
       [](EgressRule* r) { *r = WithSecret("b.example"), r->credential->header = "Host"; }},
      {"rules[1].credential.header",
       [](EgressRule* r) { *r = WithSecret("b.example"), r->credential->header = "a\r\nb"; }},
      {"rules[1].credential.prefix",
       [](EgressRule* r) { *r = WithSecret("b.example"), r->credential->prefix = "a\r\nb"; }},
      {"rules[1].credential.prefix",
       [](EgressRule* r) { *r = WithSecret("b.example"), r->credential->prefix = " Bearer "; }},
      {"rules[1].credential.basic_user",
       [](EgressRule* r) {
         *r = WithSecret("b.example"), r->credential = EgressCredential{"s", "", "a:b", ""};
       }},
      {"rules[1].host", [](EgressRule* r) { *r = WithSecret("*.b.example"); }},
  };
  for (const Fault& fault : faults) {
    EgressPolicy policy =
        AllowList({Rule("a.example", EgressScheme::kHttp), Rule("b.example", EgressScheme::kHttp)});
    EXPECT_TRUE(EgressRules::Compile(policy).ok());
    fault.make(&policy.rules[1]);
    const absl::Status status = EgressRules::Compile(policy).status();
    EXPECT_TRUE(absl::IsInvalidArgument(status)) << fault.field << status;
    EXPECT_EQ(FieldOf(status), fault.field) << status;
    EXPECT_EQ(GetErrorDetail(status)->reason, "INVALID_FIELD");
  }
}

TEST(EgressFaults, EverythingThatCanGrowHasALimit) {
  const EgressRule rule = Rule("a.example", EgressScheme::kHttp);
  EgressPolicy policy = AllowList(std::vector<EgressRule>(kEgressRulesMax, rule));
  EXPECT_TRUE(EgressRules::Compile(policy).ok());
  policy.rules.push_back(rule);
  EXPECT_EQ(FieldOf(EgressRules::Compile(policy).status()), "rules");
  policy = AllowList({});
  policy.presets.assign(kEgressPresetsMax + 1, "pypi");
  EXPECT_EQ(FieldOf(EgressRules::Compile(policy).status()), "presets");
  policy = AllowList({});
  policy.private_ranges_allowed.assign(kEgressRangesMax + 1, "10.0.0.0/8");
  EXPECT_EQ(FieldOf(EgressRules::Compile(policy).status()), "private_ranges_allowed");
  policy = AllowList(std::vector<EgressRule>(33, rule));
  for (EgressRule& one : policy.rules) one.paths.assign(kEgressPathsMax, "/x");
  EXPECT_EQ(FieldOf(EgressRules::Compile(policy).status()), "rules[32].paths");
  for (const uint32_t connections : {0u, kEgressConnectionsMax + 1}) {
    policy = AllowList({});
    policy.limits.connections_max = connections;
    EXPECT_EQ(FieldOf(EgressRules::Compile(policy).status()), "limits.connections_max");
  }
  policy = AllowList(std::vector<EgressRule>(kEgressRulesMax, rule));
  for (EgressRule& one : policy.rules) one.paths = {"/" + std::string(140, 'x')};
  EXPECT_EQ(FieldOf(EgressRules::Compile(policy).status()), "rules") << "its bytes";
  policy.rules.resize(kEgressRulesMax / 2);
  EXPECT_TRUE(EgressRules::Compile(policy).ok());
  policy = AllowList(std::vector<EgressRule>(kEgressSecretsMax, WithSecret("a.example")));
  for (EgressRule& one : policy.rules)
    one.credential->secret_name += absl::StrCat(&one - &policy.rules[0]);
  EXPECT_TRUE(EgressRules::Compile(policy).ok());
  policy.rules.push_back(WithSecret("a.example"));
  EXPECT_EQ(FieldOf(EgressRules::Compile(policy).status()), "rules[32].credential");
  policy = AllowList({rule, rule});
  policy.rules[0].ports.assign(kEgressPortsMax, 1000);
  policy.rules[1].ports.clear();
  for (uint32_t port = 1; port <= kEgressPortsMax; ++port) policy.rules[1].ports.push_back(port);
  EXPECT_TRUE(EgressRules::Compile(policy).ok()) << "the same one often is one";
  for (uint32_t i = 0; i < kEgressPortsMax; ++i) policy.rules[0].ports[i] = 2000 + i;
  EXPECT_EQ(FieldOf(EgressRules::Compile(policy).status()), "rules");
}

TEST(EgressPorts, AreThoseOfRulesAndPresetsAndTheUsualOnesOfFull) {
  EgressPolicy policy = AllowList({Rule("a.example", EgressScheme::kHttp),
                                   {"", "b.example", {5432, 22}, EgressScheme::kTcp, {}, {}, {}}});
  policy.presets = {"pypi"};
  EXPECT_EQ(EgressRules::Compile(policy)->ports(), (std::vector<uint16_t>{22, 80, 443, 5432}));
  EXPECT_TRUE(EgressRules::Compile(policy)->HasPort(5432));
  EXPECT_FALSE(EgressRules::Compile(policy)->HasPort(5433));
  policy = {};
  EXPECT_TRUE(EgressRules::Compile(policy)->ports().empty());
  policy.mode = EgressMode::kFull;
  EXPECT_EQ(EgressRules::Compile(policy)->ports(), (std::vector<uint16_t>{22, 80, 443, 9418}));
}

}  // namespace
}  // namespace glovebox
