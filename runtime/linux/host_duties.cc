#include "linux/host_duties.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <filesystem>
#include <system_error>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "linux/file_io.h"

namespace glovebox {
namespace {

constexpr size_t kFileBytesMax = 4096;
constexpr char kVulnerabilities[] = "/sys/devices/system/cpu/vulnerabilities";

std::string Read(const std::string& path) {
  const absl::StatusOr<std::string> text = ReadFileAt(AT_FDCWD, path, kFileBytesMax);
  return text.ok() ? std::string(absl::StripAsciiWhitespace(*text)) : "";
}

KernelFeature Ok(const char* name, absl::string_view found) {
  return {name, FeatureState::kOk, std::string(found), "", "", 0};
}

KernelFeature Weak(const char* name, absl::string_view found, absl::string_view lost,
                   absl::string_view remedy) {
  return {name, FeatureState::kDegraded, std::string(found), std::string(lost), std::string(remedy),
          0};
}

std::map<std::string, std::string> ReadVulnerabilities() {
  std::map<std::string, std::string> found;
  std::error_code failed;
  for (const auto& entry : std::filesystem::directory_iterator(kVulnerabilities, failed)) {
    found[entry.path().filename().string()] = Read(entry.path().string());
  }
  return found;
}

}  // namespace

KernelFeature JudgeCgroupVersion(CgroupVersion version) {
  KernelFeature feature = Ok("cgroup", CgroupVersionName(version));
  feature.level = version == CgroupVersion::kV2 ? 2 : 1;
  if (version == CgroupVersion::kV2) return feature;
  feature.state = FeatureState::kDegraded;
  feature.lost =
      "limits are held by cgroup v1: a sandbox over its memory limit loses single processes, not "
      "all, and pressure is not told";
  feature.remedy = "boot with systemd.unified_cgroup_hierarchy=1";
  return feature;
}

KernelFeature JudgeSmt(absl::string_view active) {
  if (active != "1") return Ok("smt_off", active.empty() ? "the CPUs have none" : "off");
  return Weak("smt_off", "on",
              "sandboxes of different owners may share a core, and with it its side channels",
              "boot with nosmt, or echo off > /sys/devices/system/cpu/smt/control");
}

KernelFeature JudgeMitigations(const std::map<std::string, std::string>& vulnerabilities) {
  std::vector<std::string> open;
  for (const auto& [name, text] : vulnerabilities) {
    if (absl::StartsWith(text, "Vulnerable")) open.push_back(name);
  }
  if (open.empty()) {
    return Ok("cpu_mitigations", absl::StrCat(vulnerabilities.size(), " looked at"));
  }
  return Weak("cpu_mitigations", absl::StrCat("vulnerable: ", absl::StrJoin(open, ", ")),
              "a sandbox may read memory of the host or of others through the CPU",
              "boot without mitigations=off, update the CPU's microcode");
}

KernelFeature JudgeKsm(absl::string_view run) {
  if (run != "1") return Ok("ksm_off", run.empty() ? "the kernel has none" : "off");
  return Weak("ksm_off", "on", "sandboxes can tell by timing what pages others have",
              "echo 2 > /sys/kernel/mm/ksm/run");
}

KernelFeature JudgeStateFileSystem(bool is_the_roots, absl::string_view path) {
  if (!is_the_roots) return Ok("state_file_system", absl::StrCat(path, " is on one of its own"));
  return Weak("state_file_system", absl::StrCat(path, " is on the host's root file system"),
              "sandboxes' disks are sparse: full ones together fill what the host itself needs",
              "put the state directory on a file system of its own");
}

std::vector<KernelFeature> ProbeHostDuties(const std::string& state_directory) {
  std::vector<KernelFeature> duties;
  if (const absl::StatusOr<CgroupHost> cgroups = DetectCgroupHost(); cgroups.ok()) {
    duties.push_back(JudgeCgroupVersion(cgroups->version));
  }
  duties.push_back(JudgeSmt(Read("/sys/devices/system/cpu/smt/active")));
  duties.push_back(JudgeMitigations(ReadVulnerabilities()));
  duties.push_back(JudgeKsm(Read("/sys/kernel/mm/ksm/run")));
  struct stat root {};
  struct stat state {};
  if (!state_directory.empty() && ::stat("/", &root) == 0 &&
      ::stat(state_directory.c_str(), &state) == 0) {
    duties.push_back(JudgeStateFileSystem(root.st_dev == state.st_dev, state_directory));
  }
  return duties;
}

}  // namespace glovebox
