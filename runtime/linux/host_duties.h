// What the host's owner has to see to: things that no daemon can set, judged for
// `glovebox preflight`. Nothing here stops a sandbox from being made; each says what it costs.
#ifndef GLOVEBOX_LINUX_HOST_DUTIES_H_
#define GLOVEBOX_LINUX_HOST_DUTIES_H_

#include <map>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "linux/cgroup_host.h"
#include "linux/kernel_features.h"

namespace glovebox {

// Reads the host. `state_directory` "" where it is not known (without a daemon).
std::vector<KernelFeature> ProbeHostDuties(const std::string& state_directory);

// The judgement of single values, apart from reading them.
KernelFeature JudgeCgroupVersion(CgroupVersion version);
// /sys/devices/system/cpu/smt/active: "0", "1", or "" where there is no such file.
KernelFeature JudgeSmt(absl::string_view active);
// /sys/devices/system/cpu/vulnerabilities: file name -> text.
KernelFeature JudgeMitigations(const std::map<std::string, std::string>& vulnerabilities);
// /sys/kernel/mm/ksm/run
KernelFeature JudgeKsm(absl::string_view run);
// Whether the state directory has a file system that may fill up without harm to the host's own.
KernelFeature JudgeStateFileSystem(bool is_the_roots, absl::string_view path);

}  // namespace glovebox

#endif  // GLOVEBOX_LINUX_HOST_DUTIES_H_
