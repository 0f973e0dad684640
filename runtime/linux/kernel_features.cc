#include "linux/kernel_features.h"

#include <fcntl.h>
#include <linux/capability.h>
#include <sys/prctl.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <string>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/str_split.h"
#include "linux/file_events.h"
#include "linux/file_io.h"
#include "linux/kernel_probes.h"

namespace glovebox {
namespace {

constexpr size_t kProcFileBytesMax = 64 * 1024;

KernelFeature Ok(absl::string_view name, absl::string_view found) {
  return {std::string(name), FeatureState::kOk, std::string(found), "", "", 0};
}

KernelFeature Bad(FeatureState state, absl::string_view name, absl::string_view found,
                  absl::string_view lost, absl::string_view remedy) {
  return {std::string(name), state, std::string(found), std::string(lost), std::string(remedy), 0};
}

std::string ReadProc(const std::string& path) {
  absl::StatusOr<std::string> text = ReadFileAt(AT_FDCWD, path, kProcFileBytesMax);
  return text.ok() ? std::string(absl::StripAsciiWhitespace(*text)) : "";
}

KernelFeature FromProbe(absl::string_view name, const ProbeResult& result, FeatureState without,
                        absl::string_view lost, absl::string_view remedy) {
  if (result.works) return Ok(name, result.found);
  return Bad(without, name, result.found, lost, remedy);
}

KernelFeature JudgeSysResource() {
  const int has = prctl(PR_CAPBSET_READ, CAP_SYS_RESOURCE, 0, 0, 0);
  if (has == 1) return Ok("cap_sys_resource", "in the bounding set");
  return Bad(FeatureState::kDegraded, "cap_sys_resource", "not in the bounding set",
             "hard resource limits cannot be raised, and the daemon cannot protect itself from the "
             "OOM killer",
             "run the daemon with CAP_SYS_RESOURCE");
}

KernelFeature Sysctl(const std::string& path, int at_least, absl::string_view lost) {
  const std::string name = absl::StrReplaceAll(path, {{"/", "."}});
  return JudgeSysctl(name, ReadProc(absl::StrCat("/proc/sys/", path)), at_least, lost);
}

void AddSysctls(std::vector<KernelFeature>* features) {
  features->push_back(Sysctl("kernel/unprivileged_bpf_disabled", 1,
                             "a process that gets round the filter reaches bpf"));
  features->push_back(
      Sysctl("kernel/kptr_restrict", 1, "kernel addresses may show in /proc files"));
  features->push_back(
      Sysctl("kernel/dmesg_restrict", 1, "the kernel log is one refused call away"));
  features->push_back(Sysctl("kernel/perf_event_paranoid", 2,
                             "a process that gets round the filter reads host-wide counters"));
  const std::string tiocsti = ReadProc("/proc/sys/dev/tty/legacy_tiocsti");
  // Absent before 6.2, where TIOCSTI is always on; only the filter stands before it then.
  features->push_back(tiocsti == "0" ? Ok("dev.tty.legacy_tiocsti", tiocsti)
                                     : Bad(FeatureState::kDegraded, "dev.tty.legacy_tiocsti",
                                           tiocsti, "only the filter refuses TIOCSTI",
                                           "sysctl -w dev.tty.legacy_tiocsti=0"));
}

void AddProbes(std::vector<KernelFeature>* features) {
  constexpr FeatureState kMissing = FeatureState::kMissing;
  features->push_back(FromProbe("user_namespaces", ProbeUserNamespace(), kMissing,
                                "no sandbox can be made",
                                "sysctl -w user.max_user_namespaces=65536; see "
                                "kernel.unprivileged_userns_clone and AppArmor's userns rules"));
  features->push_back(
      FromProbe("overlay_in_user_namespace", ProbeOverlayInUserNamespace(), kMissing,
                "no sandbox root can be assembled",
                "use Linux 5.11 or later with CONFIG_OVERLAY_FS (modprobe overlay)"));
  features->push_back(FromProbe("id_mapped_mounts", ProbeIdMappedMounts(), kMissing,
                                "layers cannot be shown in a sandbox's id range",
                                "use Linux 5.12 or later"));
  features->push_back(FromProbe("clone_into_cgroup", ProbeCloneIntoCgroup(), kMissing,
                                "commands cannot be born in their cgroup",
                                "use Linux 5.7 or later"));
  features->push_back(FromProbe("pidfd", ProbePidfd(), kMissing,
                                "processes cannot be named without a race",
                                "use Linux 5.4 or later"));
  features->push_back(FromProbe("seccomp_filter", ProbeSeccompFilter(), kMissing,
                                "system calls cannot be refused", "enable CONFIG_SECCOMP_FILTER"));
  features->push_back(FromProbe("loop_control", ProbeLoopControl(), kMissing,
                                "sandboxes have no disks", "modprobe loop; see /dev/loop-control"));
  features->push_back(FromProbe(kEveryPortFeature, ProbeSocketLookup(), FeatureState::kDegraded,
                                kWithoutEveryPort,
                                "run the daemon with CAP_BPF and CAP_NET_ADMIN, where nothing "
                                "refuses bpf(2), on a kernel with CONFIG_BPF_SYSCALL"));
}

}  // namespace

const char* FeatureStateName(FeatureState state) {
  switch (state) {
    case FeatureState::kOk:
      return "ok";
    case FeatureState::kDegraded:
      return "degraded";
    case FeatureState::kMissing:
      return "missing";
  }
  return "unknown";
}

KernelFeature JudgeKernelVersion(absl::string_view release) {
  constexpr int kMajor = 5, kMinor = 15;  // cgroup.kill is of 5.14; 5.15 is the long-term release
  const std::vector<std::string> parts = absl::StrSplit(release, absl::ByAnyChar(".-"));
  int major = 0, minor = 0;
  if (parts.size() >= 2 && absl::SimpleAtoi(parts[0], &major) &&
      absl::SimpleAtoi(parts[1], &minor) &&
      (major > kMajor || (major == kMajor && minor >= kMinor))) {
    return Ok("kernel_version", release);
  }
  return Bad(FeatureState::kMissing, "kernel_version", release,
             "cgroup.kill and id-mapped mounts, without which no sandbox is made",
             "use Linux 5.15 or later");
}

KernelFeature JudgeCorePattern(absl::string_view pattern) {
  if (pattern.empty() || pattern[0] != '|') return Ok("core_pattern", pattern);
  return Bad(FeatureState::kDegraded, "core_pattern", pattern,
             "a program of the host could be started on a crash inside; RLIMIT_CORE 1 prevents it",
             "sysctl -w kernel.core_pattern=core");
}

static KernelFeature JudgeLandlockAbi(int abi) {
  const std::string found = abi > 0 ? absl::StrCat("ABI ", abi) : "absent";
  if (abi >= 6) return Ok("landlock", found);
  if (abi >= 2) {
    return Bad(FeatureState::kDegraded, "landlock", found,
               abi >= 5 ? "only namespaces confine abstract sockets and signals"
                        : "only namespaces confine abstract sockets and signals; device ioctls are "
                          "left to the system call filter",
               "use Linux 6.12 or later");
  }
  return Bad(FeatureState::kMissing, "landlock", found,
             "the second layer over files, abstract sockets and signals: gloveboxd starts only "
             "when its configuration says landlock = \"optional\"",
             "use Linux 5.19 or later with landlock in CONFIG_LSM (or on the lsm= boot parameter)");
}

KernelFeature JudgeLandlock(int abi) {
  KernelFeature feature = JudgeLandlockAbi(abi);
  feature.level = abi > 0 ? static_cast<uint64_t>(abi) : 0;
  return feature;
}

KernelFeature JudgeFileEvents(const absl::Status& opened, bool tells_overlay_writes) {
  constexpr char kName[] = "file_events";
  if (!opened.ok()) {
    return Bad(
        FeatureState::kDegraded, kName, opened.message(),
        "WatchChanges looks from time to time, every 25 ms to 1 s, instead of when something "
        "was written",
        "run the daemon with CAP_SYS_ADMIN on a kernel with CONFIG_FANOTIFY, and raise "
        "fs.fanotify.max_user_groups");
  }
  if (!tells_overlay_writes) {
    return Bad(FeatureState::kDegraded, kName, "fanotify, without writes through overlays",
               "WatchChanges finds later writes to a file by looking from time to time while "
               "commands use the processor",
               "use Linux 6.5 or later");
  }
  return Ok(kName, "fanotify");
}

KernelFeature JudgeSwaps(absl::string_view proc_swaps) {
  const std::vector<absl::string_view> lines =
      absl::StrSplit(proc_swaps, '\n', absl::SkipWhitespace());
  if (lines.size() <= 1) return Ok("swap_off", "no swap");
  return Bad(FeatureState::kDegraded, "swap_off", absl::StrCat(lines.size() - 1, " swap areas"),
             "memory of sandboxes may reach a disk where the limit on swap is not accounted",
             "swapoff -a");
}

KernelFeature JudgeSysctl(absl::string_view name, absl::string_view value, int at_least,
                          absl::string_view lost) {
  int number = 0;
  if (absl::SimpleAtoi(value, &number) && number >= at_least) return Ok(name, value);
  return Bad(FeatureState::kDegraded, name, value.empty() ? "absent" : value, lost,
             absl::StrCat("sysctl -w ", name, "=", at_least));
}

std::vector<KernelFeature> ProbeKernelFeatures() {
  std::vector<KernelFeature> features;
  utsname names{};
  (void)uname(&names);  // it fails for a bad address only
  features.push_back(JudgeKernelVersion(names.release));
  AddProbes(&features);
  features.push_back(JudgeLandlock(LandlockAbi()));
  features.push_back(JudgeCorePattern(ReadProc("/proc/sys/kernel/core_pattern")));
  features.push_back(JudgeFileEvents(FileEvents::Probe(), FileEvents::TellsOverlayWrites()));
  features.push_back(JudgeSwaps(ReadProc("/proc/swaps")));
  AddSysctls(&features);
  features.push_back(JudgeSysResource());
  return features;
}

}  // namespace glovebox
