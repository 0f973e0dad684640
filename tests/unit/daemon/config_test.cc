#include "daemon/config.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace glovebox {
namespace {

using ::testing::HasSubstr;

std::string ErrorOf(const std::string& text) {
  Config config;
  absl::Status status = ApplyToml(text, "g.toml", &config);
  if (status.ok()) status = FinishConfig(&config);
  return std::string(status.message());
}

TEST(Config, DefaultsAreValidAndTheSocketIsBelowTheRuntimeDirectory) {
  Config config;
  ASSERT_TRUE(FinishConfig(&config).ok());
  EXPECT_EQ(config.socket, "/run/glovebox/glovebox.sock");
}

TEST(Config, UnknownKeysAreRefusedWithNameAndLine) {
  EXPECT_THAT(ErrorOf("socket = \"/s\"\nsokcet = \"/t\"\n"), HasSubstr("g.toml:2: sokcet"));
  EXPECT_THAT(ErrorOf("[log]\n\nlevle = \"info\"\n"), HasSubstr("g.toml:3: log.levle"));
}

TEST(Config, WrongTypesAreRefusedWithNameAndLine) {
  EXPECT_THAT(ErrorOf("state_dir = 7\n"), HasSubstr("g.toml:1: state_dir: must be a text"));
  EXPECT_THAT(ErrorOf("[limits]\nsandboxes_max = -1\n"), HasSubstr("g.toml:2"));
  EXPECT_THAT(ErrorOf("[id_ranges]\ncount = 99999999999\n"), HasSubstr("at most"));
  EXPECT_THAT(ErrorOf("log = \"json\"\n"), HasSubstr("section"));
  EXPECT_THAT(ErrorOf("import_roots = [1]\n"), HasSubstr("import_roots"));
}

TEST(Config, MalformedFileIsRefusedWithTheLine) {
  EXPECT_THAT(ErrorOf("a = 1\nb = \n"), HasSubstr("g.toml:2"));
}

TEST(Config, BadValuesAreRefused) {
  EXPECT_THAT(ErrorOf("state_dir = \"relative\"\n"), HasSubstr("absolute"));
  EXPECT_THAT(ErrorOf("socket = \"/" + std::string(200, 'x') + "\"\n"), HasSubstr("shorter"));
  EXPECT_THAT(ErrorOf("[log]\nlevel = \"loud\"\n"), HasSubstr("debug"));
  EXPECT_THAT(ErrorOf("[id_ranges]\nfirst = 1000\n"), HasSubstr("65536"));
  EXPECT_THAT(ErrorOf("[id_ranges]\ncount = 65535\n"), HasSubstr("id_ranges.count"));
  EXPECT_THAT(ErrorOf("[sandbox_defaults]\nmemory_bytes = 1\n"), HasSubstr("sandbox_defaults"));
}

TEST(Config, OutputDefaultsStayBelowTheirMaxima) {
  EXPECT_THAT(ErrorOf("[exec_output]\ntail_bytes = 1000\n"), HasSubstr("exec_output.tail_bytes"));
  EXPECT_THAT(ErrorOf("[exec_output_max]\ntail_bytes = 100000\n"),
              HasSubstr("exec_output.tail_bytes is 1048576"));
  EXPECT_THAT(ErrorOf("[exec_output_max]\nfull_log_bytes = 1\n"), HasSubstr("exec_output_max"));
  EXPECT_THAT(ErrorOf("[limits]\noutput_memory_percent = 0\n"), HasSubstr("1 to 100"));
  EXPECT_EQ(ErrorOf("[exec_output]\nhead_bytes = 0\nhold_ms = 0\n"), "");
}

TEST(Config, MetricsListenOnLoopbackOnly) {
  for (const char* good : {"127.0.0.1:9464", "[::1]:9464", ""}) {
    Config config;
    config.metrics_listen = good;
    EXPECT_TRUE(FinishConfig(&config).ok()) << good;
  }
  for (const char* bad : {"0.0.0.0:9464", "9464", "127.0.0.1:", "127.0.0.1:70000", "example:1"}) {
    Config config;
    config.metrics_listen = bad;
    EXPECT_FALSE(FinishConfig(&config).ok()) << bad;
  }
}

TEST(Config, EgressIsOfAddressesAndPrivateRanges) {
  EXPECT_EQ(ErrorOf("[egress]\nname_servers = [\"192.0.2.53\", \"2001:db8::53\"]\n"
                    "private_ranges = [\"10.1.0.0/16\"]\nconnections_max = 1\n"),
            "");
  EXPECT_THAT(ErrorOf("[egress]\nname_servers = [\"ns.example\"]\n"), HasSubstr("are addresses"));
  EXPECT_THAT(ErrorOf("[egress]\nprivate_ranges = [\"127.0.0.0/8\"]\n"), HasSubstr("loopback"));
  EXPECT_THAT(ErrorOf("[egress]\nconnections_max = 0\n"), HasSubstr("at least 1"));
}

TEST(Config, ImportsAreOpenToTheOwnerAndClosedToAGroupUnlessSaidOtherwise) {
  Config own;
  ASSERT_TRUE(FinishConfig(&own).ok());
  EXPECT_EQ(*own.import_roots, std::vector<std::string>{"/"});
  Config group;
  group.socket_group = "staff";
  ASSERT_TRUE(FinishConfig(&group).ok());
  EXPECT_TRUE(group.import_roots->empty());
}

TEST(Config, EveryPortLeadsToTheWayOutUnlessTheOperatorSaysOtherwise) {
  Config config;
  EXPECT_TRUE(config.egress_all_ports);
  ASSERT_TRUE(ApplyToml("[egress]\nall_ports = false\n", "x", &config).ok());
  EXPECT_FALSE(config.egress_all_ports);
  Config again;
  ASSERT_TRUE(ApplyToml(FormatConfig(config), "printed", &again).ok());
  EXPECT_FALSE(again.egress_all_ports);
}

TEST(Config, LandlockIsRequiredUnlessTheOperatorSaysOtherwise) {
  Config config;
  EXPECT_TRUE(config.landlock_required);
  ASSERT_TRUE(ApplyToml("landlock = \"optional\"\n", "x", &config).ok());
  EXPECT_FALSE(config.landlock_required);
  Config again;
  ASSERT_TRUE(ApplyToml(FormatConfig(config), "printed", &again).ok());
  EXPECT_FALSE(again.landlock_required);
  EXPECT_FALSE(ApplyToml("landlock = \"off\"\n", "x", &config).ok());
}

TEST(Config, TcpNeedsCertificatesOnBothSides) {
  const std::string two = "[tcp]\nlisten = \"0.0.0.0:7443\"\ncertificate = \"/c\"\nkey = \"/k\"\n";
  EXPECT_THAT(ErrorOf("[tcp]\nlisten = \"127.0.0.1:1\"\n"), HasSubstr("tcp.client_ca"));
  EXPECT_THAT(ErrorOf(two), HasSubstr("no TCP"));
  EXPECT_EQ(ErrorOf(two + "client_ca = \"/a\"\n"), "");
}

TEST(Config, ClientsAndTheirQuotasAreChecked) {
  EXPECT_EQ(ErrorOf("[clients]\nadmins = [\"uid:7\"]\nowners = [\"cert:a\"]\n"), "");
  EXPECT_THAT(ErrorOf("[clients]\nadmins = [\"root\"]\n"), HasSubstr("no principal"));
  EXPECT_THAT(ErrorOf("[clients]\nowners = [\"uid:\"]\n"), HasSubstr("clients.owners"));
  EXPECT_THAT(ErrorOf("[client_quota]\nsandboxes_max = 0\n"), HasSubstr("sandboxes_max"));
  EXPECT_THAT(ErrorOf("[client_quota]\nsandbox = 1\n"), HasSubstr("unknown key"));
}

TEST(Config, TheAuditLogIsOnUnlessSwitchedOff) {
  Config config;
  ASSERT_TRUE(FinishConfig(&config).ok());
  EXPECT_EQ(config.audit_file, "/var/lib/glovebox/audit.log");
  Config off;
  ASSERT_TRUE(ApplyToml("[audit]\nfile = \"\"\n", "x", &off).ok());
  ASSERT_TRUE(FinishConfig(&off).ok());
  EXPECT_EQ(off.audit_file, "");
  EXPECT_THAT(ErrorOf("[audit]\nbytes_max = 1\n"), HasSubstr("audit.bytes_max"));
  EXPECT_THAT(ErrorOf("[audit]\nfile = \"relative\"\n"), HasSubstr("audit.file"));
}

TEST(Config, WhatIsPrintedIsReadBackEqual) {
  Config config;
  ASSERT_TRUE(ApplyToml("[labels]\nzone = \"a\"\n[log]\nformat = \"json\"\n", "x", &config).ok());
  ASSERT_TRUE(FinishConfig(&config).ok());
  Config again;
  ASSERT_TRUE(ApplyToml(FormatConfig(config), "printed", &again).ok());
  EXPECT_EQ(FormatConfig(again), FormatConfig(config));
  EXPECT_EQ(again.labels.at("zone"), "a");
}

}  // namespace
}  // namespace glovebox
