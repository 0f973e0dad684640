#include "service/convert_egress.h"

#include <google/protobuf/util/message_differencer.h>
#include <gtest/gtest.h>

#include <functional>
#include <string>

#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "policy/egress_presets.h"

namespace glovebox {
namespace {

v1::EgressPolicy AllowList() {
  v1::EgressPolicy policy;
  policy.set_mode(v1::EGRESS_MODE_ALLOW_LIST);
  v1::EgressRule& tls = *policy.add_rules();
  tls.set_name("index");
  tls.set_host("*.example.com");
  tls.set_scheme(v1::EGRESS_SCHEME_TLS);
  v1::EgressRule& http = *policy.add_rules();
  http.set_host("deb.example.org");
  http.add_ports(80);
  http.add_ports(8080);
  http.set_scheme(v1::EGRESS_SCHEME_HTTP);
  http.add_methods("GET");
  http.add_paths("/debian/**");
  policy.add_presets("pypi");
  policy.mutable_limits()->set_connections_max(7);
  policy.mutable_limits()->set_connections_per_second(8);
  policy.mutable_limits()->set_sent_bytes_max(9);
  policy.mutable_limits()->set_received_bytes_max(10);
  policy.add_private_ranges_allowed("10.1.0.0/16");
  return policy;
}

// "CODE REASON field" of the refusal of a policy that differs so.
std::string Refusal(const std::function<void(v1::EgressPolicy&)>& change) {
  v1::EgressPolicy proto = AllowList();
  change(proto);
  const absl::Status status = FromProto(proto, "egress").status();
  ErrorDetail detail = GetErrorDetail(status).value_or(ErrorDetail{});
  return absl::StrCat(absl::StatusCodeToString(status.code()), " ", detail.reason, " ",
                      detail.metadata["field"]);
}

TEST(EgressFromProto, APolicyComesBackAsItWas) {
  const v1::EgressPolicy asked = AllowList();
  const auto policy = FromProto(asked, "egress");
  ASSERT_TRUE(policy.ok()) << policy.status();
  EXPECT_EQ(policy->mode, EgressMode::kAllowList);
  ASSERT_EQ(policy->rules.size(), 2);
  EXPECT_EQ(policy->rules[1].ports, (std::vector<uint32_t>{80, 8080}));
  EXPECT_EQ(policy->limits.received_bytes_max, 10);
  const v1::EgressPolicy back = ToProto(*policy);
  EXPECT_TRUE(google::protobuf::util::MessageDifferencer::Equals(asked, back))
      << back.DebugString();
}

TEST(EgressFromProto, WhatIsNotSaidIsNoWayOutWithDefaultLimits) {
  const auto policy = FromProto(v1::EgressPolicy(), "egress");
  ASSERT_TRUE(policy.ok()) << policy.status();
  EXPECT_EQ(*policy, EgressPolicy());
  const v1::EgressPolicy back = ToProto(*policy);
  EXPECT_EQ(back.mode(), v1::EGRESS_MODE_NONE);
  EXPECT_EQ(back.limits().connections_max(), EgressLimits().connections_max);
  EXPECT_FALSE(back.limits().has_sent_bytes_max());
  EXPECT_FALSE(back.limits().has_received_bytes_max());
}

TEST(EgressFromProto, EveryModeAndSchemeHasItsNumber) {
  for (const v1::EgressMode mode : {v1::EGRESS_MODE_NONE, v1::EGRESS_MODE_FULL}) {
    v1::EgressPolicy proto;
    proto.set_mode(mode);
    const auto policy = FromProto(proto, "egress");
    ASSERT_TRUE(policy.ok()) << policy.status();
    EXPECT_EQ(static_cast<int>(policy->mode), static_cast<int>(mode));
    EXPECT_EQ(ToProto(*policy).mode(), mode);
  }
  for (const v1::EgressScheme scheme : {v1::EGRESS_SCHEME_TCP, v1::EGRESS_SCHEME_HTTP,
                                        v1::EGRESS_SCHEME_TLS, v1::EGRESS_SCHEME_HTTPS}) {
    v1::EgressPolicy proto;
    proto.set_mode(v1::EGRESS_MODE_ALLOW_LIST);
    proto.add_rules()->set_host("a.example");
    proto.mutable_rules(0)->add_ports(22);
    proto.mutable_rules(0)->set_scheme(scheme);
    const auto policy = FromProto(proto, "egress");
    ASSERT_TRUE(policy.ok()) << policy.status();
    EXPECT_EQ(static_cast<int>(policy->rules[0].scheme), static_cast<int>(scheme));
    EXPECT_EQ(ToProto(*policy).rules(0).scheme(), scheme);
  }
}

TEST(EgressFromProto, RefusalsNameTheFieldInTheRequest) {
  using Policy = v1::EgressPolicy;
  const std::string invalid = "INVALID_ARGUMENT INVALID_FIELD egress.";
  EXPECT_EQ(Refusal([](Policy& p) { p.mutable_rules(1)->set_host("127.1"); }),
            invalid + "rules[1].host");
  EXPECT_EQ(Refusal([](Policy& p) { p.mutable_rules(1)->add_ports(65536); }),
            invalid + "rules[1].ports");
  EXPECT_EQ(Refusal([](Policy& p) { p.set_mode(v1::EGRESS_MODE_FULL); }), invalid + "mode");
  EXPECT_EQ(Refusal([](Policy& p) { p.add_presets("nosuch"); }), invalid + "presets[1]");
  EXPECT_EQ(Refusal([](Policy& p) { p.add_private_ranges_allowed("127.0.0.0/8"); }),
            invalid + "private_ranges_allowed[1]");
  EXPECT_EQ(Refusal([](Policy& p) { p.mutable_limits()->set_connections_max(0); }),
            invalid + "limits.connections_max");
}

TEST(EgressFromProto, UnknownValuesAndLongListsAreRefused) {
  using Policy = v1::EgressPolicy;
  const std::string invalid = "INVALID_ARGUMENT INVALID_FIELD egress.";
  EXPECT_EQ(Refusal([](Policy& p) { p.set_mode(static_cast<v1::EgressMode>(99)); }),
            invalid + "mode");
  EXPECT_EQ(
      Refusal([](Policy& p) { p.mutable_rules(1)->set_scheme(static_cast<v1::EgressScheme>(99)); }),
      invalid + "rules[1].scheme");
  EXPECT_EQ(Refusal([](Policy& p) {
              while (p.rules_size() <= static_cast<int>(kEgressRulesMax)) {
                *p.add_rules() = p.rules(0);
              }
            }),
            invalid + "rules");
  EXPECT_EQ(Refusal([](Policy& p) {
              while (p.presets_size() <= static_cast<int>(kEgressPresetsMax)) p.add_presets("pypi");
            }),
            invalid + "presets");
  EXPECT_EQ(Refusal([](Policy& p) {
              for (size_t i = 0; i <= kEgressPortsMax; ++i) p.mutable_rules(1)->add_ports(80);
            }),
            invalid + "rules[1].ports");
}

TEST(EgressFromProto, MethodsPathsAndCredentialsOverTlsAreServed) {
  using Policy = v1::EgressPolicy;
  EXPECT_EQ(Refusal([](Policy& p) { p.mutable_rules(1)->set_scheme(v1::EGRESS_SCHEME_HTTPS); }),
            "OK  ");
  EXPECT_EQ(Refusal([](Policy& p) {
              p.mutable_rules(0)->set_host("a.example");
              p.mutable_rules(0)->set_scheme(v1::EGRESS_SCHEME_HTTPS);
              p.mutable_rules(0)->mutable_credential()->set_secret_name("token");
              p.mutable_rules(0)->mutable_credential()->set_header("Authorization");
            }),
            "OK  ");
  EXPECT_EQ(Refusal([](Policy& p) {
              p.mutable_rules(0)->set_host("a.example");
              p.mutable_rules(0)->set_scheme(v1::EGRESS_SCHEME_HTTPS);
              p.mutable_rules(0)->mutable_credential()->set_secret_name("token");
              p.mutable_rules(0)->mutable_credential()->set_header("Host");
            }),
            "INVALID_ARGUMENT INVALID_FIELD egress.rules[0].credential.header");
  ASSERT_NE(FindEgressPreset("github-read"), nullptr);
  EXPECT_EQ(Refusal([](Policy& p) { p.add_presets("github-read"); }), "OK  ");
}

TEST(ConnectionToProto, SaysWhatBecameOfAConnection) {
  LoggedConnection logged{7, "n1.cafe.7", "sandbox", "build", {}};
  EgressRecord& record = logged.record;
  record.connection = 3;
  record.outcome = EgressOutcome::kClosed;
  record.host = "pypi.org";
  record.port = 443;
  record.address = IpAddress::V4(0x97650001);
  record.rule = "pypi:pypi.org";
  record.start_unix_ms = 1'500;
  record.duration_ms = 2'250;
  record.sent_bytes = 10;
  record.received_bytes = 20;
  const v1::ConnectionRecord closed = ToProto(logged);
  EXPECT_EQ(closed.cursor(), "n1.cafe.7");
  EXPECT_EQ(closed.start_time().seconds(), 1);
  EXPECT_EQ(closed.start_time().nanos(), 500'000'000);
  EXPECT_EQ(closed.exec_id(), "build");
  EXPECT_EQ(closed.address(), "151.101.0.1");
  EXPECT_EQ(closed.duration().seconds(), 2);
  EXPECT_EQ(closed.connection(), 3);
  EXPECT_EQ(closed.state(), v1::CONNECTION_STATE_CLOSED);
  EXPECT_EQ(closed.denial_reason(), v1::DENIAL_REASON_UNSPECIFIED);
  record.outcome = EgressOutcome::kRefused;
  record.address.reset();
  for (const EgressDenial denial :
       {EgressDenial::kNoEgress, EgressDenial::kNoRule, EgressDenial::kRequestNotAllowed,
        EgressDenial::kPrivateAddress, EgressDenial::kNameMismatch, EgressDenial::kLimit,
        EgressDenial::kOriginNotTrusted, EgressDenial::kSecretMissing}) {
    record.denial = denial;
    const v1::ConnectionRecord refused = ToProto(logged);
    EXPECT_EQ(refused.state(), v1::CONNECTION_STATE_REFUSED);
    EXPECT_EQ(static_cast<int>(refused.denial_reason()), static_cast<int>(denial));
    EXPECT_EQ(refused.address(), "");
    EXPECT_FALSE(refused.has_duration());
  }
}

}  // namespace
}  // namespace glovebox
