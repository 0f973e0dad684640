// Which cgroup hierarchies this host has, and where.
#ifndef GLOVEBOX_LINUX_CGROUP_HOST_H_
#define GLOVEBOX_LINUX_CGROUP_HOST_H_

#include <map>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace glovebox {

enum class CgroupVersion {
  kV2,      // memory, pids and cpu are controllers of the cgroup2 tree
  kHybrid,  // they are on v1 hierarchies; a cgroup2 tree without them is mounted as well
  kV1Only,  // no cgroup2 tree is mounted
};
const char* CgroupVersionName(CgroupVersion version);

struct CgroupHost {
  CgroupVersion version = CgroupVersion::kV1Only;
  std::string v2_mount;                          // "" when none is mounted
  std::map<std::string, std::string> v1_mounts;  // controller -> mount point
};

// Pure. `mountinfo` as in proc(5); `v2_controllers` is cgroup.controllers of the cgroup2 mount.
CgroupHost ParseCgroupHost(absl::string_view mountinfo, absl::string_view v2_controllers);
// The mount point of the first cgroup2 file system in `mountinfo`, "" for none.
std::string FindCgroup2Mount(absl::string_view mountinfo);

// Reads /proc/self/mountinfo.
absl::StatusOr<CgroupHost> DetectCgroupHost();

// Mounts cgroup2 at the existing directory `path` (the caller is in a private mount namespace) and
// notes it in `host`. Takes about 10 ms.
absl::Status MountCgroup2(const std::string& path, CgroupHost* host);

// What preflight shows.
struct CgroupReport {
  CgroupVersion version = CgroupVersion::kV1Only;
  std::vector<std::string> present;  // of memory, pids, cpu
  std::vector<std::string> missing;
  bool kill_supported = false;  // cgroup.kill, Linux 5.14
  bool swap_limited = false;    // memory.memsw or memory.swap.max is there
};
absl::StatusOr<CgroupReport> ReportCgroups(const CgroupHost& host);

}  // namespace glovebox

#endif  // GLOVEBOX_LINUX_CGROUP_HOST_H_
