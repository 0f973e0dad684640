// What GetNode tells of this host, found out once.
#ifndef GLOVEBOX_DAEMON_NODE_FACTS_H_
#define GLOVEBOX_DAEMON_NODE_FACTS_H_

#include <string>
#include <vector>

#include "daemon/config.h"
#include "egress/egress_wire.h"
#include "glovebox/v1/node.pb.h"
#include "glovebox/v1/types.pb.h"
#include "linux/cgroup_host.h"
#include "linux/kernel_features.h"
#include "service/convert_sandbox.h"

namespace glovebox {

v1::Capability ToCapability(const KernelFeature& feature);
// "landlock", with what it does in sandboxes as its mechanism.
v1::Capability LandlockEnforcement(int abi);
// memory_limit, pids_limit, cpu_limit, tree_kill, swap_limit.
std::vector<v1::Capability> CgroupCapabilities(const CgroupReport& report);
// "disk_limit", and "seccomp_TIER" with the digest of its programs for each tier that is allowed.
std::vector<v1::Capability> OtherEnforcement(const Config& config);

// "egress": the way out of sandboxes, and what resolves names for them.
v1::Capability EgressEnforcement(const EgressSetup& setup);

// What this host lets one sandbox ask for.
SandboxLimits MaximumLimits();

v1::Node DescribeNode(const Config& config, const std::string& host_id, const LimitBounds& bounds,
                      const std::vector<v1::Capability>& capabilities, CgroupVersion cgroup);

// MemAvailable of the text of /proc/meminfo in bytes; 0 when it has none. Pure.
uint64_t MemoryAvailableBytes(absl::string_view meminfo);

}  // namespace glovebox

#endif  // GLOVEBOX_DAEMON_NODE_FACTS_H_
