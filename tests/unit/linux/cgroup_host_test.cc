#include "linux/cgroup_host.h"

#include "gtest/gtest.h"

namespace glovebox {
namespace {

constexpr char kHybrid[] =
    "31 23 0:28 / /sys/fs/cgroup rw,relatime shared:9 - tmpfs tmpfs rw,mode=755\n"
    "32 31 0:29 / /sys/fs/cgroup/cpu,cpuacct rw,relatime - cgroup cgroup rw,cpu,cpuacct\n"
    "35 31 0:32 / /sys/fs/cgroup/memory rw,relatime shared:1 master:2 - cgroup cgroup rw,memory\n"
    "39 31 0:36 / /sys/fs/cgroup/pids\\040x rw,relatime - cgroup cgroup rw,pids\n"
    "41 31 0:38 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw\n";

constexpr char kPure[] =
    "30 23 0:26 / /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw,nsdelegate\n";

TEST(CgroupHost, AHybridHostHasItsControllersOnV1) {
  const CgroupHost host = ParseCgroupHost(kHybrid, "hugetlb\n");
  EXPECT_EQ(host.version, CgroupVersion::kHybrid);
  EXPECT_EQ(host.v2_mount, "/sys/fs/cgroup/unified");
  EXPECT_EQ(host.v1_mounts.at("memory"), "/sys/fs/cgroup/memory");
  EXPECT_EQ(host.v1_mounts.at("cpu"), "/sys/fs/cgroup/cpu,cpuacct");
  EXPECT_EQ(host.v1_mounts.at("pids"), "/sys/fs/cgroup/pids x") << "octal escapes";
}

TEST(CgroupHost, AUnifiedHostHasAllOnV2) {
  const CgroupHost host = ParseCgroupHost(kPure, "cpuset cpu io memory hugetlb pids\n");
  EXPECT_EQ(host.version, CgroupVersion::kV2);
  EXPECT_EQ(host.v2_mount, "/sys/fs/cgroup");
  EXPECT_TRUE(host.v1_mounts.empty());
}

TEST(CgroupHost, WithoutACgroup2MountItIsV1Only) {
  const CgroupHost host =
      ParseCgroupHost("35 31 0:32 / /c/memory rw - cgroup cgroup rw,memory\n", "");
  EXPECT_EQ(host.version, CgroupVersion::kV1Only);
  EXPECT_EQ(host.v2_mount, "");
}

TEST(CgroupHost, AUnifiedHostThatLacksAControllerIsStillV2) {
  EXPECT_EQ(ParseCgroupHost(kPure, "cpu memory\n").version, CgroupVersion::kV2);
}

TEST(CgroupHost, LinesThatAreNotMountsArePassedOver) {
  const CgroupHost host = ParseCgroupHost("garbage\n\n1 2 3 - cgroup2\n- - - - - - - -\n", "");
  EXPECT_EQ(host.v2_mount, "");
  EXPECT_TRUE(host.v1_mounts.empty());
}

}  // namespace
}  // namespace glovebox
