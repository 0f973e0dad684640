#include "tests/bench/daemon.h"

#include <fcntl.h>
#include <unistd.h>

#include <filesystem>
#include <map>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "base/status.h"
#include "linux/file_io.h"

namespace glovebox::bench {
namespace {

constexpr char kCgroups[] = "/sys/fs/cgroup";
constexpr int kGonePollUs = 100;
constexpr int kGonePolls = 100000;
constexpr int kEndGraceMs = 60000;
constexpr size_t kProcFileBytesMax = 64 * 1024;

std::string ReadProc(pid_t pid, const char* name) {
  auto text = ReadFileAt(AT_FDCWD, absl::StrCat("/proc/", pid, "/", name), kProcFileBytesMax);
  return text.ok() ? *text : "";  // it has ended
}

// The number behind `key` in a file of "Key:  number kB" lines; 0 when there is none.
double KibOf(const std::string& text, absl::string_view key) {
  for (absl::string_view line : absl::StrSplit(text, '\n')) {
    std::vector<absl::string_view> words =
        absl::StrSplit(line, absl::ByAnyChar(" \t"), absl::SkipEmpty());
    double value = 0;
    if (words.size() > 1 && words[0] == key && absl::SimpleAtod(words[1], &value)) return value;
  }
  return 0;
}

struct Stat {
  std::string name;
  pid_t parent = 0;
  double cpu_s = 0;
};

// The name is in parentheses and may hold anything: the last one closes it (proc(5)).
Stat StatOf(pid_t pid) {
  std::string text = ReadProc(pid, "stat");
  size_t open = text.find('(');
  size_t close = text.rfind(')');
  if (open == std::string::npos || close == std::string::npos) return {};
  std::vector<std::string> words = absl::StrSplit(text.substr(close + 2), ' ');
  if (words.size() < 16) return {};
  Stat stat{.name = text.substr(open + 1, close - open - 1)};
  double ticks = 0;
  (void)absl::SimpleAtoi(words[1], &stat.parent);  // the kernel's own format
  for (size_t field : {11U, 12U, 13U, 14U}) {
    double value = 0;
    (void)absl::SimpleAtod(words[field], &value);
    ticks += value;
  }
  stat.cpu_s = ticks / static_cast<double>(sysconf(_SC_CLK_TCK));
  return stat;
}

}  // namespace

ProcessUse UseOf(pid_t pid) {
  return {.cpu_s = StatOf(pid).cpu_s,
          .rss_kib = KibOf(ReadProc(pid, "status"), "VmRSS:"),
          .pss_kib = KibOf(ReadProc(pid, "smaps_rollup"), "Pss:")};
}

absl::StatusOr<Daemon> Daemon::Start(const std::string& program, const Workspace& workspace) {
  const std::string state = workspace.path() + "/state";
  const std::string socket = workspace.path() + "/glovebox.sock";
  RETURN_IF_ERROR(MakeDirectoryAt(AT_FDCWD, state, 0700));
  ASSIGN_OR_RETURN(UniqueFd log, OpenAt(AT_FDCWD, workspace.path() + "/daemon.log",
                                        O_WRONLY | O_CREAT | O_APPEND, 0600));
  ASSIGN_OR_RETURN(
      Companion process,
      Companion::Start({{program, "--on-shutdown", "end", "--state-dir", state, "--runtime-dir",
                         workspace.path() + "/run", "--socket", socket},
                        {{log.get(), 1}, {log.get(), 2}}},
                       kEndGraceMs));
  return Daemon(std::move(process), socket);
}

absl::Status Daemon::AwaitGone(const std::string& sandbox) {
  std::vector<std::string> cgroups;
  std::error_code ignored;  // a folder that goes away meanwhile is what is waited for
  for (const auto& hierarchy : std::filesystem::directory_iterator(kCgroups, ignored)) {
    if (!hierarchy.is_directory(ignored)) continue;
    for (const auto& group : std::filesystem::directory_iterator(hierarchy.path(), ignored)) {
      const std::string name = group.path().filename();
      if (name.rfind("glovebox-", 0) == 0 && name.rfind("glovebox-bench", 0) != 0) {
        cgroups.push_back(absl::StrCat(group.path().string(), "/", sandbox));
      }
    }
  }
  // The kernel tells nobody that a cgroup was removed.
  for (int i = 0; i < kGonePolls; ++i) {
    bool gone = true;
    for (const std::string& path : cgroups) gone = gone && access(path.c_str(), F_OK) != 0;
    if (gone) return absl::OkStatus();
    (void)usleep(kGonePollUs);
  }
  return absl::DeadlineExceededError(absl::StrCat("cgroups of ", sandbox, " are left"));
}

std::vector<pid_t> Daemon::Descendants(const std::string& name) const {
  std::map<pid_t, Stat> all;
  std::error_code ignored;  // a process that ends meanwhile
  for (const auto& entry : std::filesystem::directory_iterator("/proc", ignored)) {
    pid_t pid = 0;
    if (absl::SimpleAtoi(entry.path().filename().string(), &pid)) all[pid] = StatOf(pid);
  }
  std::vector<pid_t> found;
  for (const auto& [pid, stat] : all) {
    // The kernel keeps 15 bytes of a name.
    if (stat.name != name.substr(0, 15)) continue;
    pid_t ancestor = stat.parent;
    for (int depth = 0; depth < 8 && ancestor > 1 && ancestor != process_.pid(); ++depth) {
      ancestor = all[ancestor].parent;
    }
    if (ancestor == process_.pid()) found.push_back(pid);
  }
  return found;
}

}  // namespace glovebox::bench
