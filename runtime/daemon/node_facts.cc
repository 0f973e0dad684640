#include "daemon/node_facts.h"

#include <fcntl.h>
#include <sched.h>
#include <sys/sysinfo.h>
#include <sys/utsname.h>

#include <algorithm>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "absl/time/clock.h"
#include "launcher/seccomp_compiler.h"
#include "linux/file_io.h"
#include "policy/landlock.h"
#include "policy/seccomp_table.h"
#include "service/convert_time.h"

namespace glovebox {
namespace {

v1::CapabilityState ToProto(FeatureState state) {
  switch (state) {
    case FeatureState::kOk:
      return v1::CAPABILITY_STATE_AVAILABLE;
    case FeatureState::kDegraded:
      return v1::CAPABILITY_STATE_DEGRADED;
    case FeatureState::kMissing:
      return v1::CAPABILITY_STATE_MISSING;
  }
  return v1::CAPABILITY_STATE_UNSPECIFIED;
}

v1::Capability Capability(const char* name, bool holds, v1::CapabilityState otherwise,
                          absl::string_view mechanism, absl::string_view detail,
                          absl::string_view remedy) {
  v1::Capability capability;
  capability.set_name(name);
  capability.set_state(holds ? v1::CAPABILITY_STATE_AVAILABLE : otherwise);
  capability.set_mechanism(std::string(mechanism));
  if (holds) return capability;
  capability.set_detail(std::string(detail));
  capability.set_remedy(std::string(remedy));
  return capability;
}

std::string OperatingSystem() {
  auto text = ReadFileAt(AT_FDCWD, "/etc/os-release", 64 * 1024);
  if (!text.ok()) return "";
  for (absl::string_view line : absl::StrSplit(*text, '\n')) {
    if (!absl::ConsumePrefix(&line, "PRETTY_NAME=")) continue;
    absl::ConsumePrefix(&line, "\"");
    absl::ConsumeSuffix(&line, "\"");
    return std::string(line);
  }
  return "";
}

const char* CgroupWord(CgroupVersion version) {
  switch (version) {
    case CgroupVersion::kV2:
      return "v2";
    case CgroupVersion::kHybrid:
      return "hybrid";
    case CgroupVersion::kV1Only:
      return "v1";
  }
  return "";
}

}  // namespace

v1::Capability ToCapability(const KernelFeature& feature) {
  v1::Capability capability;
  capability.set_name(feature.name);
  capability.set_state(ToProto(feature.state));
  capability.set_mechanism(feature.found);
  capability.set_detail(feature.lost);
  capability.set_remedy(feature.remedy);
  capability.set_level(feature.level);
  return capability;
}

std::vector<v1::Capability> OtherEnforcement(const Config& config) {
  std::vector<v1::Capability> capabilities;
  capabilities.push_back(
      Capability("disk_limit", true, v1::CAPABILITY_STATE_MISSING,
                 "an ext4 image on a loop device for each sandbox: bytes and inodes", "", ""));
  for (const std::string& tier : config.seccomp_tiers.value_or(std::vector<std::string>{})) {
    const std::string digest = SeccompDigest(FindSeccompTier(tier).value_or(kDefaultSeccompTier));
    capabilities.push_back(Capability(absl::StrCat("seccomp_", tier).c_str(), true,
                                      v1::CAPABILITY_STATE_MISSING, absl::StrCat("sha256:", digest),
                                      "", ""));
  }
  return capabilities;
}

v1::Capability EgressEnforcement(const EgressSetup& setup) {
  return Capability("egress", setup.name_servers > 0, v1::CAPABILITY_STATE_DEGRADED,
                    absl::StrCat("glovebox-egress; sandboxes: ", setup.sandboxes_max,
                                 ", connections: ", setup.connections_max,
                                 ", name servers: ", setup.name_servers),
                    "no name server is known: no host that a policy names is reached",
                    "set [egress] name_servers, or have them in /etc/resolv.conf");
}

v1::Capability LandlockEnforcement(int abi) {
  v1::Capability capability = ToCapability(JudgeLandlock(abi));
  LandlockRequest request;
  request.abi = abi;
  capability.set_mechanism(DescribeLandlock(MakeLandlockPolicy(request)));
  return capability;
}

std::vector<v1::Capability> CgroupCapabilities(const CgroupReport& report) {
  std::vector<v1::Capability> capabilities;
  const char* tree = report.version == CgroupVersion::kV2 ? "cgroup v2" : "cgroup v1";
  for (const char* controller : {"memory", "pids", "cpu"}) {
    const bool there =
        std::find(report.present.begin(), report.present.end(), controller) != report.present.end();
    capabilities.push_back(Capability(
        absl::StrCat(controller, "_limit").c_str(), there, v1::CAPABILITY_STATE_MISSING,
        absl::StrCat(tree, " ", controller),
        absl::StrCat("the controller ", controller, " is not there: no sandbox can be made"),
        absl::StrCat("boot with cgroup v2, or mount the v1 controller ", controller)));
  }
  capabilities.push_back(Capability(
      "tree_kill", report.kill_supported, v1::CAPABILITY_STATE_MISSING, "cgroup v2 cgroup.kill",
      "processes of a command cannot be killed together", "run Linux 5.14 or newer"));
  capabilities.push_back(Capability(
      "swap_limit", report.swap_limited, v1::CAPABILITY_STATE_DEGRADED, tree,
      "swap is not counted against memory_bytes", "switch swap off, or boot with swapaccount=1"));
  return capabilities;
}

SandboxLimits MaximumLimits() {
  SandboxLimits limits;
  for (const LimitRange& range : SandboxLimitRanges()) limits.*range.member = range.max;
  return limits;
}

v1::Node DescribeNode(const Config& config, const std::string& host_id, const LimitBounds& bounds,
                      const std::vector<v1::Capability>& capabilities, CgroupVersion cgroup) {
  v1::Node node;
  node.set_host_id(host_id);
  utsname system{};
  if (::uname(&system) == 0) {
    node.set_hostname(system.nodename);
    node.mutable_version()->set_kernel(system.release);
    node.mutable_version()->set_machine(system.machine);
  }
  node.mutable_version()->set_glovebox(GLOVEBOX_VERSION);
  node.mutable_version()->set_cgroup(CgroupWord(cgroup));
  node.mutable_version()->set_operating_system(OperatingSystem());
  *node.mutable_capabilities() = {capabilities.begin(), capabilities.end()};
  node.mutable_labels()->insert(config.labels.begin(), config.labels.end());
  *node.mutable_start_time() = ToProtoTime(absl::Now());
  *node.mutable_default_limits() = glovebox::ToProto(bounds.defaults);
  *node.mutable_maximum_limits() = glovebox::ToProto(bounds.maximum);
  cpu_set_t cpus;
  if (::sched_getaffinity(0, sizeof cpus, &cpus) == 0) {
    node.mutable_capacity()->set_cpus(static_cast<uint32_t>(CPU_COUNT(&cpus)));
  }
  struct sysinfo memory {};
  if (::sysinfo(&memory) == 0) {
    node.mutable_capacity()->set_memory_bytes(uint64_t{memory.totalram} * memory.mem_unit);
  }
  node.mutable_capacity()->set_sandboxes_max(config.sandboxes_max);
  return node;
}

uint64_t MemoryAvailableBytes(absl::string_view meminfo) {
  for (absl::string_view line : absl::StrSplit(meminfo, '\n')) {
    uint64_t kib = 0;
    if (!absl::ConsumePrefix(&line, "MemAvailable:") || !absl::ConsumeSuffix(&line, "kB")) continue;
    if (absl::SimpleAtoi(line, &kib)) return kib * 1024;
  }
  return 0;
}

}  // namespace glovebox
