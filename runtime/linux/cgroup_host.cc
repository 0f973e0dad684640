#include "linux/cgroup_host.h"

#include <fcntl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <optional>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "base/status.h"
#include "linux/cgroup_controllers.h"
#include "linux/file_io.h"

namespace glovebox {
namespace {

constexpr size_t kMountinfoBytesMax = 16 * 1024 * 1024;

struct MountLine {
  std::string mount_point;
  absl::string_view type;
  absl::string_view options;  // of the superblock
};

bool IsOctal(absl::string_view text) {
  return text.size() == 3 &&
         std::all_of(text.begin(), text.end(), [](char c) { return c >= '0' && c <= '7'; });
}

// Blanks, newlines and backslashes in a mount point are shown as \ooo.
std::string Unescape(absl::string_view text) {
  std::string out;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '\\' && i + 3 < text.size() && IsOctal(text.substr(i + 1, 3))) {
      out.push_back(static_cast<char>((text[i + 1] - '0') * 64 + (text[i + 2] - '0') * 8 +
                                      (text[i + 3] - '0')));
      i += 3;
    } else {
      out.push_back(text[i]);
    }
  }
  return out;
}

// "31 23 0:28 / /sys/fs/cgroup rw,relatime shared:9 - tmpfs tmpfs rw,mode=755"
std::optional<MountLine> ParseLine(absl::string_view line) {
  const std::vector<absl::string_view> words = absl::StrSplit(line, ' ');
  const auto dash = std::find(words.begin(), words.end(), "-");
  if (dash - words.begin() < 6 || words.end() - dash < 4) return std::nullopt;
  return MountLine{Unescape(words[4]), dash[1], dash[3]};
}

bool Contains(absl::string_view list, char separator, absl::string_view word) {
  const std::vector<absl::string_view> words =
      absl::StrSplit(absl::StripAsciiWhitespace(list), separator);
  return std::find(words.begin(), words.end(), word) != words.end();
}

// cgroup.kill is in every directory but the root: a child shows whether the kernel has it.
absl::StatusOr<bool> KillSupported(const std::string& mount) {
  const std::string probe = absl::StrCat(mount, "/glovebox-probe-", getpid());
  if (mkdir(probe.c_str(), 0755) < 0) return ErrnoError(errno, absl::StrCat("mkdir ", probe));
  absl::Cleanup remove = [&probe] { (void)rmdir(probe.c_str()); };  // empty, ours
  return access(absl::StrCat(probe, "/cgroup.kill").c_str(), W_OK) == 0;
}

}  // namespace

const char* CgroupVersionName(CgroupVersion version) {
  switch (version) {
    case CgroupVersion::kV2:
      return "v2";
    case CgroupVersion::kHybrid:
      return "hybrid";
    case CgroupVersion::kV1Only:
      return "v1";
  }
  return "unknown";
}

CgroupHost ParseCgroupHost(absl::string_view mountinfo, absl::string_view v2_controllers) {
  CgroupHost host;
  host.v2_mount = FindCgroup2Mount(mountinfo);
  for (absl::string_view text : absl::StrSplit(mountinfo, '\n')) {
    const std::optional<MountLine> line = ParseLine(text);
    if (!line.has_value() || line->type != "cgroup") continue;
    for (const char* controller : kCgroupControllers) {
      if (Contains(line->options, ',', controller)) {
        host.v1_mounts.emplace(controller, line->mount_point);
      }
    }
  }
  const bool all_on_v2 = std::all_of(
      std::begin(kCgroupControllers), std::end(kCgroupControllers),
      [&](const char* controller) { return Contains(v2_controllers, ' ', controller); });
  if (host.v2_mount.empty()) {
    host.version = CgroupVersion::kV1Only;
  } else if (all_on_v2 || host.v1_mounts.empty()) {
    host.version = CgroupVersion::kV2;
  } else {
    host.version = CgroupVersion::kHybrid;
  }
  return host;
}

std::string FindCgroup2Mount(absl::string_view mountinfo) {
  for (absl::string_view text : absl::StrSplit(mountinfo, '\n')) {
    const std::optional<MountLine> line = ParseLine(text);
    if (line.has_value() && line->type == "cgroup2") return line->mount_point;
  }
  return "";
}

absl::StatusOr<CgroupHost> DetectCgroupHost() {
  ASSIGN_OR_RETURN(const std::string mountinfo,
                   ReadFileAt(AT_FDCWD, "/proc/self/mountinfo", kMountinfoBytesMax));
  std::string controllers;
  if (const std::string mount = FindCgroup2Mount(mountinfo); !mount.empty()) {
    ASSIGN_OR_RETURN(controllers,
                     ReadFileAt(AT_FDCWD, absl::StrCat(mount, "/cgroup.controllers"), 4096));
  }
  return ParseCgroupHost(mountinfo, controllers);
}

absl::Status MountCgroup2(const std::string& path, CgroupHost* host) {
  if (mount("cgroup2", path.c_str(), "cgroup2", MS_NOSUID | MS_NODEV | MS_NOEXEC, nullptr) < 0) {
    return ErrnoError(errno, absl::StrCat("mount cgroup2 on ", path));
  }
  host->v2_mount = path;
  if (host->version == CgroupVersion::kV1Only) host->version = CgroupVersion::kHybrid;
  return absl::OkStatus();
}

absl::StatusOr<CgroupReport> ReportCgroups(const CgroupHost& host) {
  CgroupReport report;
  report.version = host.version;
  std::string controllers;
  if (!host.v2_mount.empty()) {
    ASSIGN_OR_RETURN(controllers,
                     ReadFileAt(AT_FDCWD, host.v2_mount + "/cgroup.controllers", 4096));
    ASSIGN_OR_RETURN(report.kill_supported, KillSupported(host.v2_mount));
  }
  for (const char* controller : kCgroupControllers) {
    const bool there = host.version == CgroupVersion::kV2 ? Contains(controllers, ' ', controller)
                                                          : host.v1_mounts.contains(controller);
    (there ? report.present : report.missing).push_back(controller);
  }
  if (const auto memory = host.v1_mounts.find("memory"); memory != host.v1_mounts.end()) {
    report.swap_limited =
        access(absl::StrCat(memory->second, "/memory.memsw.limit_in_bytes").c_str(), F_OK) == 0;
  } else if (host.version == CgroupVersion::kV2) {
    report.swap_limited = true;  // v2 always counts swap, where the kernel has any
  }
  return report;
}

}  // namespace glovebox
