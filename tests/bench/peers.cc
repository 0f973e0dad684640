#include "tests/bench/peers.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <filesystem>
#include <memory>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "base/status.h"
#include "linux/file_io.h"
#include "linux/mount.h"
#include "tests/bench/child.h"
#include "tests/bench/peer_policy.h"

namespace glovebox::bench {
namespace {

constexpr char kCgroups[] = "/sys/fs/cgroup";
constexpr int kFilterFd = 9;
const char* const kOciRuntimes[] = {"crun", "runc"};

absl::Status WriteBundle(const Workspace& workspace, const std::string& name,
                         const std::string& cgroup, const std::string& program) {
  const std::string folder = absl::StrCat(workspace.path(), "/", name);
  RETURN_IF_ERROR(MakeDirectoryAt(AT_FDCWD, folder, 0755));
  ASSIGN_OR_RETURN(UniqueFd fd, OpenAt(AT_FDCWD, absl::StrCat(folder, "/config.json"),
                                       O_WRONLY | O_CREAT | O_TRUNC, 0644));
  return WriteAll(fd.get(), OciConfig(workspace.root(), cgroup, program));
}

std::vector<std::string> Folders(const std::string& path) {
  std::vector<std::string> names;
  std::error_code ignored;  // a folder that is not there has none
  for (const auto& entry : std::filesystem::directory_iterator(path, ignored)) {
    if (entry.is_directory(ignored)) names.push_back(entry.path().filename());
  }
  return names;
}

// Leaves first; the kernel's own files in a cgroup go with it.
void RemoveCgroup(const std::string& path) {
  for (const std::string& child : Folders(path)) RemoveCgroup(absl::StrCat(path, "/", child));
  (void)rmdir(path.c_str());  // a cgroup still in use stays and is seen by whoever looks
}

std::string FirstLine(const std::string& text) {
  return std::string(std::pair<absl::string_view, absl::string_view>(
                         absl::StrSplit(text, absl::MaxSplits('\n', 1)))
                         .first);
}

}  // namespace

absl::Status HideHybridCgroups() {
  const std::string unified = absl::StrCat(kCgroups, "/unified/cgroup.controllers");
  if (access(unified.c_str(), F_OK) != 0) return absl::OkStatus();
  RETURN_IF_ERROR(EnterPrivateMountNamespace());
  std::vector<std::string> hierarchies = Folders(kCgroups);
  // Built at a place that only this namespace sees, then moved over the host's.
  const std::string stage = "/sys/fs/cgroup/unified";
  if (mount("none", stage.c_str(), "tmpfs", MS_NOSUID | MS_NODEV, "mode=755") != 0) {
    return ErrnoError(errno, "mount(tmpfs) over the hybrid cgroup tree");
  }
  for (const std::string& name : hierarchies) {
    if (name == "unified") continue;
    const std::string from = absl::StrCat(kCgroups, "/", name);
    const std::string to = absl::StrCat(stage, "/", name);
    RETURN_IF_ERROR(MakeDirectoryAt(AT_FDCWD, to, 0755));
    if (mount(from.c_str(), to.c_str(), nullptr, MS_BIND, nullptr) != 0) {
      return ErrnoError(errno, absl::StrCat("bind of ", from));
    }
  }
  if (mount(stage.c_str(), kCgroups, nullptr, MS_BIND | MS_REC, nullptr) != 0) {
    return ErrnoError(errno, "bind of the v1 hierarchies over the tree");
  }
  return absl::OkStatus();
}

Peers::Peers(const Workspace& workspace)
    : workspace_(&workspace), cgroup_(absl::StrCat("/glovebox-bench-", getpid())) {}

absl::StatusOr<Peers> Peers::Prepare(const Workspace& workspace) {
  Peers peers(workspace);
  for (const auto& [name, program] : std::vector<std::pair<std::string, std::string>>{
           {"bubblewrap", "bwrap"}, {"crun", "crun"}, {"runc", "runc"}}) {
    peers.versions_[name] = "missing";
    if (!InPath(program)) continue;
    ASSIGN_OR_RETURN(std::string version, OutputOf({{program, "--version"}}));
    peers.versions_[name] = FirstLine(version);
  }
  ASSIGN_OR_RETURN(peers.filter_, CompileFilter());
  for (const char* runtime : kOciRuntimes) {
    for (int slot = 0; slot < kSlots; ++slot) {
      const std::string name = absl::StrCat("hello-", runtime, "-", slot);
      RETURN_IF_ERROR(WriteBundle(workspace, absl::StrCat("bundle-", name),
                                  absl::StrCat(peers.cgroup_, "/", name), "/bin/hello"));
    }
    RETURN_IF_ERROR(WriteBundle(workspace, absl::StrCat("bundle-wait-", runtime),
                                absl::StrCat(peers.cgroup_, "/wait-", runtime), "/bin/pause_bare"));
    RETURN_IF_ERROR(WriteBundle(workspace, absl::StrCat("bundle-end-", runtime),
                                absl::StrCat(peers.cgroup_, "/end-", runtime), "/bin/pause_bare"));
  }
  return peers;
}

Peers::~Peers() {
  if (!filter_.valid()) return;  // moved from
  for (const auto& [runtime, id] : waiting_) {
    (void)TimeCommand(Runtime(runtime, {"delete", "-f", id}));
  }
  for (const char* runtime : kOciRuntimes) {
    for (const std::string& id : Folders(absl::StrCat(workspace_->path(), "/", runtime))) {
      (void)TimeCommand(Runtime(runtime, {"delete", "-f", id}));  // left by a failed case
    }
  }
  for (const std::string& hierarchy : Folders(kCgroups)) {
    RemoveCgroup(absl::StrCat(kCgroups, "/", hierarchy, cgroup_));
  }
}

bool Peers::Has(const std::string& name) const { return versions_.at(name) != "missing"; }

Command Peers::Runtime(const std::string& runtime, std::vector<std::string> arguments) const {
  Command command{{runtime, "--root", absl::StrCat(workspace_->path(), "/", runtime)}};
  for (std::string& argument : arguments) command.arguments.push_back(std::move(argument));
  return command;
}

absl::StatusOr<Measurement> Peers::TimeCreate(const std::string& name, int slot) const {
  if (name != "bubblewrap") {
    return TimeCommand(Runtime(
        name, {"run", "-b", absl::StrCat(workspace_->path(), "/bundle-hello-", name, "-", slot),
               absl::StrCat("create-", slot)}));
  }
  // bubblewrap reads from where the descriptor stands: each run gets one of its own.
  ASSIGN_OR_RETURN(UniqueFd filter,
                   OpenAt(AT_FDCWD, absl::StrCat("/proc/self/fd/", filter_.get()), O_RDONLY));
  return TimeCommand({{"bwrap",
                       "--unshare-all",
                       "--unshare-user",
                       "--uid",
                       "0",
                       "--gid",
                       "0",
                       "--ro-bind",
                       workspace_->root(),
                       "/",
                       "--proc",
                       "/proc",
                       "--dev",
                       "/dev",
                       "--tmpfs",
                       "/tmp",
                       "--cap-drop",
                       "ALL",
                       "--die-with-parent",
                       "--seccomp",
                       absl::StrCat(kFilterFd),
                       "/bin/hello"},
                      {{filter.get(), kFilterFd}}});
}

std::vector<Case> Peers::CreateCases() const {
  std::vector<Case> cases;
  for (const auto& [name, version] : versions_) {
    if (version == "missing") continue;
    cases.push_back({name == "bubblewrap" ? name : name + " run",
                     [this, name = name] { return TimeCreate(name, 0); }});
  }
  return cases;
}

absl::Status Peers::StartWaiting(const std::string& runtime, const std::string& id) const {
  const std::string bundle =
      absl::StrCat(workspace_->path(), "/bundle-", id.substr(0, id.find('-')), "-", runtime);
  // The container keeps the stdout that it is given, so the pipe of a timed command would not end.
  ASSIGN_OR_RETURN(Companion starter,
                   Companion::Start(Runtime(runtime, {"run", "-d", "-b", bundle, id}), 10000));
  for (int i = 0; starter.running() && i < 1000; ++i) usleep(5000);
  return absl::OkStatus();
}

absl::StatusOr<std::vector<Case>> Peers::ExecCases() {
  std::vector<Case> cases;
  for (const std::string runtime : kOciRuntimes) {
    if (!Has(runtime)) continue;
    const std::string id = absl::StrCat("wait-", runtime);
    waiting_.emplace_back(runtime, id);
    RETURN_IF_ERROR(StartWaiting(runtime, id));
    cases.push_back({runtime + " exec", [this, runtime, id] {
                       return TimeCommand(Runtime(runtime, {"exec", id, "/bin/hello"}));
                     }});
  }
  return cases;
}

std::vector<Case> Peers::EndCases() const {
  std::vector<Case> cases;
  for (const std::string runtime : kOciRuntimes) {
    if (!Has(runtime)) continue;
    cases.push_back({runtime + " delete -f", [this, runtime]() -> absl::StatusOr<Measurement> {
                       const std::string id = absl::StrCat("end-", runtime);
                       RETURN_IF_ERROR(StartWaiting(runtime, id));
                       return TimeCommand(Runtime(runtime, {"delete", "-f", id}));
                     }});
  }
  return cases;
}

}  // namespace glovebox::bench
