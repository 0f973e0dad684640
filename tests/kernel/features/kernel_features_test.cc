// The probes on the kernel that runs; every other kernel test needs what they look for.
#include "linux/kernel_features.h"

#include <sys/stat.h>

#include <set>

#include "gtest/gtest.h"
#include "linux/kernel_probes.h"

namespace glovebox {
namespace {

TEST(KernelFeatures, AHostThatRunsTheseTestsLacksNothingThatSandboxesNeed) {
  std::set<std::string> names;
  for (const KernelFeature& feature : ProbeKernelFeatures()) {
    EXPECT_TRUE(names.insert(feature.name).second) << feature.name << " twice";
    EXPECT_NE(feature.state, FeatureState::kMissing)
        << feature.name << ": " << feature.found << "; " << feature.lost;
    EXPECT_EQ(feature.state == FeatureState::kOk, feature.remedy.empty()) << feature.name;
  }
  for (const char* name :
       {"kernel_version", "user_namespaces", "overlay_in_user_namespace", "id_mapped_mounts",
        "clone_into_cgroup", "pidfd", "seccomp_filter", "landlock", "loop_control", "core_pattern",
        "file_events", "swap_off", "kernel.unprivileged_bpf_disabled", "kernel.kptr_restrict",
        "kernel.dmesg_restrict", "kernel.perf_event_paranoid", "dev.tty.legacy_tiocsti",
        "cap_sys_resource", "egress_all_ports"}) {
    EXPECT_TRUE(names.contains(name)) << name;
  }
}

TEST(KernelFeatures, ProbesLeaveTheCallersNamespacesAlone) {
  struct stat before {
  }, after{};
  ASSERT_EQ(stat("/proc/self/ns/user", &before), 0);
  (void)ProbeUserNamespace();
  (void)ProbeOverlayInUserNamespace();
  ASSERT_EQ(stat("/proc/self/ns/user", &after), 0);
  EXPECT_EQ(before.st_ino, after.st_ino);
}

}  // namespace
}  // namespace glovebox
