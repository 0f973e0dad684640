#include "daemon/egress_setup.h"

#include <gtest/gtest.h>

#include "base/status.h"

namespace glovebox {
namespace {

TEST(EgressSetup, HasTheNameServersThatTheOperatorNames) {
  Config config;
  config.egress_name_servers = {"192.0.2.53", "2001:db8::53"};
  const auto setup = MakeEgressSetup(config, 20'000);
  ASSERT_TRUE(setup.ok()) << setup.status();
  ASSERT_EQ(setup->name_servers, 2u);
  EXPECT_EQ(setup->name_server[0].address[3], 53);
  EXPECT_EQ(setup->name_server[0].port, 53u);
  EXPECT_EQ(setup->name_server[1].is_v6, 1u);
  EXPECT_EQ(setup->name_server[1].address[15], 0x53);
  config.egress_name_servers = {"ns.example"};
  EXPECT_FALSE(MakeEgressSetup(config, 20'000).ok());
}

// The proxy lowers its own limit to what it is told, and ends when it may not have so many.
TEST(EgressSetup, FitsIntoHalfOfTheDescriptors) {
  Config config;
  config.egress_name_servers = {"192.0.2.53"};
  for (const uint64_t files : {uint64_t{64}, uint64_t{1024}, uint64_t{20'000}, uint64_t{1} << 30}) {
    const auto setup = MakeEgressSetup(config, files);
    ASSERT_TRUE(setup.ok()) << setup.status();
    EXPECT_GE(setup->sandboxes_max, 1u);
    EXPECT_GE(setup->connections_max, 1u);
    EXPECT_LE(setup->sandboxes_max, config.sandboxes_max);
    EXPECT_LE(setup->connections_max, config.egress_connections_max);
    const uint64_t most = uint64_t{setup->connections_max} * 2 +
                          uint64_t{setup->sandboxes_max} * kEgressSocketsOnAverage;
    EXPECT_LE(most, files / 2) << files;
  }
}

}  // namespace
}  // namespace glovebox
