#include "policy/payload_profile.h"

#include <linux/capability.h>

#include <set>
#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "policy/proc_masks.h"

namespace glovebox {
namespace {

using ::testing::Contains;

TEST(PayloadProfile, RootInsideHasExactlyTheCapabilitiesOfItsDescription) {
  uint64_t expected = 0;
  for (uint32_t capability : {CAP_CHOWN, CAP_DAC_OVERRIDE, CAP_FOWNER, CAP_FSETID, CAP_SETUID,
                              CAP_SETGID, CAP_KILL, CAP_NET_BIND_SERVICE}) {
    expected |= uint64_t{1} << capability;
  }
  EXPECT_EQ(RootInsideCapabilityMask(), expected);
  for (const PayloadCapability& capability : RootInsideCapabilities()) {
    EXPECT_GT(std::string(capability.why).size(), 10u) << capability.name;
  }
}

TEST(PayloadProfile, TheEnvironmentNamesTheUserThatRuns) {
  EXPECT_THAT(DefaultEnvironment(false), Contains("HOME=/home/agent"));
  EXPECT_THAT(DefaultEnvironment(true), Contains("HOME=/root"));
}

TEST(ProcMasks, CoverTheListOfTheSecurityRequirements) {
  std::set<std::string> hidden, read_only;
  for (const ProcMask& mask : ProcMasks()) {
    EXPECT_GT(std::string(mask.why).size(), 10u) << mask.path;
    auto& set = mask.kind == ProcMask::Kind::kHide ? hidden : read_only;
    EXPECT_TRUE(set.insert(mask.path).second) << mask.path;
  }
  for (const char* name : {"acpi",
                           "asound",
                           "bus",
                           "cmdline",
                           "config.gz",
                           "driver",
                           "fs",
                           "interrupts",
                           "iomem",
                           "ioports",
                           "irq",
                           "kallsyms",
                           "kcore",
                           "key-users",
                           "keys",
                           "kmsg",
                           "kpagecgroup",
                           "kpagecount",
                           "kpageflags",
                           "latency_stats",
                           "modules",
                           "pagetypeinfo",
                           "partitions",
                           "pressure",
                           "sched_debug",
                           "scsi",
                           "slabinfo",
                           "swaps",
                           "sysrq-trigger",
                           "timer_list",
                           "timer_stats",
                           "tty/driver",
                           "vmallocinfo",
                           "sys/fs/binfmt_misc"}) {
    EXPECT_TRUE(hidden.contains(std::string("/proc/") + name)) << name;
  }
  EXPECT_TRUE(read_only.contains("/proc/sys"));
}

}  // namespace
}  // namespace glovebox
