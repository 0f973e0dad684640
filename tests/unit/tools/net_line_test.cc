#include "tools/glovebox/net_line.h"

#include <gtest/gtest.h>

#include <string>

#include "tools/glovebox/json_shapes.h"

namespace glovebox {
namespace {

v1::ConnectionRecord Record(v1::ConnectionState state) {
  v1::ConnectionRecord record;
  record.set_cursor("n1.cafe.7");
  record.set_sandbox_id("0123456789abcdef0123456789abcdef");
  record.set_exec_id("build");
  record.mutable_start_time()->set_seconds(1'700'000'000);
  record.mutable_start_time()->set_nanos(250'000'000);
  record.set_host("pypi.org");
  record.set_port(443);
  record.set_state(state);
  return record;
}

v1::ConnectionRecord Refused(v1::DenialReason reason, const std::string& host = "evil.example",
                             uint32_t port = 443) {
  v1::ConnectionRecord record = Record(v1::CONNECTION_STATE_REFUSED);
  record.set_denial_reason(reason);
  record.set_host(host);
  record.set_port(port);
  return record;
}

TEST(NetLineTest, AConnectionIsShownAsItOpensAndCloses) {
  v1::ConnectionRecord record = Record(v1::CONNECTION_STATE_OPENED);
  record.set_address("151.101.0.223");
  record.set_rule("pypi:pypi.org");
  EXPECT_EQ(NetLine(record, false),
            "2023-11-14T22:13:20.250Z  build  open  pypi.org:443  151.101.0.223  "
            "rule pypi:pypi.org\n");
  record.set_state(v1::CONNECTION_STATE_CLOSED);
  record.set_sent_bytes(512);
  record.set_received_bytes(1 << 20);
  record.mutable_duration()->set_seconds(1);
  record.clear_exec_id();
  EXPECT_EQ(NetLine(record, true),
            "2023-11-14T22:13:21.250Z  0123456789ab  -  close  pypi.org:443  151.101.0.223  "
            "rule pypi:pypi.org; 512 B sent, 1 MiB received in 1s\n");
  record.clear_address();
  EXPECT_NE(NetLine(record, false).find("could not be reached"), std::string::npos);
}

TEST(NetLineTest, ARefusalSaysWhyAndWhatWouldAllowIt) {
  EXPECT_EQ(NetLine(Refused(v1::DENIAL_REASON_NO_RULE), false),
            "2023-11-14T22:13:20.250Z  build  REFUSED  evil.example:443  -  no rule has this name "
            "and port; to allow it: glovebox egress 0123456789ab --add --allow evil.example\n");
  EXPECT_EQ(RemedyOf(Refused(v1::DENIAL_REASON_NO_EGRESS, "db.example", 5432)),
            "to allow it: glovebox egress 0123456789ab --add --allow db.example:5432");
  const std::string asked = NetLine(Refused(v1::DENIAL_REASON_NO_RULE, "a.example", 0), false);
  EXPECT_NE(asked.find("a.example (name)"), std::string::npos);
  EXPECT_NE(asked.find("--allow a.example\n"), std::string::npos);
  EXPECT_EQ(RemedyOf(Refused(v1::DENIAL_REASON_NO_RULE, "192.0.2.1")),
            "rules are for names: connect by name");
  EXPECT_NE(
      NetLine(Refused(v1::DENIAL_REASON_NO_RULE, "2001:db8::1"), false).find("[2001:db8::1]:443"),
      std::string::npos);
  EXPECT_EQ(RemedyOf(Refused(v1::DENIAL_REASON_NAME_MISMATCH)), "");
  for (int reason = 0; reason < 9; ++reason) {
    const std::string line = NetLine(Refused(static_cast<v1::DenialReason>(reason)), false);
    EXPECT_EQ(line.find('\n'), line.size() - 1) << reason;
  }
}

TEST(NetLineTest, WhatACommandAskedForNeverReachesTheTerminalRaw) {
  v1::ConnectionRecord record =
      Refused(v1::DENIAL_REASON_NO_RULE, "a\x1b[2J\n.example; rm -rf $HOME", 22);
  record.set_method("GET\r\n");
  record.set_path("/\x9b");
  record.set_rule("\x07");
  record.set_exec_id("\x1b]0;title");
  record.set_address("\x7f");
  record.set_sandbox_id("\x1b[31m");
  for (const bool sandbox : {false, true}) {
    const std::string line = NetLine(record, sandbox);
    for (const char c : line.substr(0, line.size() - 1)) {
      EXPECT_TRUE(c >= ' ' && c < '\x7f') << line;
    }
  }
  // A remedy is something to paste.
  EXPECT_EQ(RemedyOf(record), "");
}

TEST(NetLineTest, APolicyIsShownWithWhatHoldsByItself) {
  v1::EgressPolicy policy;
  policy.set_mode(v1::EGRESS_MODE_ALLOW_LIST);
  policy.add_presets("pypi");
  policy.mutable_limits()->set_connections_max(256);
  policy.mutable_limits()->set_connections_per_second(100);
  policy.mutable_limits()->set_sent_bytes_max(1 << 20);
  v1::EgressRule& rule = *policy.add_rules();
  rule.set_host("*.example.com");
  rule.set_scheme(v1::EGRESS_SCHEME_TLS);
  const std::string text = PolicyText(policy);
  for (const char* part : {"mode      allow-list\n", "presets   pypi\n", "256 connections",
                           "1 MiB sent", "*.example.com", "443", "tls", "all"}) {
    EXPECT_NE(text.find(part), std::string::npos) << part << "\n" << text;
  }
}

TEST(NetworkJsonTest, RecordsAndPoliciesHaveTheProtosNames) {
  v1::ConnectionRecord record = Refused(v1::DENIAL_REASON_NO_RULE);
  record.set_connection(3);
  const Json json = ConnectionJson(record);
  EXPECT_EQ(json["state"], "refused");
  EXPECT_EQ(json["denial_reason"], "no_rule");
  EXPECT_EQ(json["host"], "evil.example");
  EXPECT_EQ(json["connection"], 3);
  EXPECT_TRUE(json["address"].is_null());
  EXPECT_TRUE(json["duration_ms"].is_null());
  EXPECT_EQ(json["start_time"], "2023-11-14T22:13:20.25Z");
  v1::EgressPolicy policy;
  policy.set_mode(v1::EGRESS_MODE_ALLOW_LIST);
  policy.add_rules()->set_host("a.example");
  policy.mutable_rules(0)->add_ports(22);
  const Json shown = EgressJson(policy);
  EXPECT_EQ(shown["mode"], "allow_list");
  EXPECT_EQ(shown["rules"][0]["ports"][0], 22);
  EXPECT_TRUE(shown["limits"]["sent_bytes_max"].is_null());
}

}  // namespace
}  // namespace glovebox
