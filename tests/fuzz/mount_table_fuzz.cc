// /proc/self/mountinfo: others may have mounted what they like.
#include "linux/cgroup_host.h"
#include "tests/fuzz/fuzz_input.h"
#include "tests/fuzz/targets.h"

namespace glovebox {

void FuzzMountTable(absl::string_view bytes) {
  FuzzInput input(bytes);
  const absl::string_view controllers = input.Line();
  const absl::string_view table = input.Rest();
  const CgroupHost host = ParseCgroupHost(table, controllers);
  Demand(host.v2_mount.empty() == (host.version == CgroupVersion::kV1Only),
         "without a cgroup2 mount there is no cgroup v2");
  Demand(FindCgroup2Mount(table) == host.v2_mount, "there is one first cgroup2 mount");
}

}  // namespace glovebox
