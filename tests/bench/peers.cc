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
constexpr int kStarterMs = 30'000;
const char* const kOciRuntimes[] = {"crun", "runc"};
constexpr char kPodman[] = "podman";
// Of Debian's golang-github-containers-common, which podman brings: what podman and, word for word,
// Docker give runc by default.
constexpr char kDefaultProfile[] = "/usr/share/containers/seccomp.json";

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
  // podman's monitor outlives `podman rm` by a moment. One that is in use for long stays and is
  // seen by whoever looks.
  for (int i = 0; rmdir(path.c_str()) != 0 && errno == EBUSY && i < 300; ++i) usleep(10000);
}

// As strict as it goes, with `options` beside; who runs it passes the filter as kFilterFd.
Command Bubblewrap(const std::string& root, const std::vector<std::string>& options,
                   std::vector<std::string> arguments) {
  Command command{{"bwrap", "--unshare-all", "--unshare-user", "--ro-bind", root, "/"}};
  std::vector<std::string>& words = command.arguments;
  words.insert(words.end(), options.begin(), options.end());
  for (const char* word : {"--proc", "/proc", "--dev", "/dev", "--tmpfs", "/tmp", "--cap-drop",
                           "ALL", "--die-with-parent", "--seccomp"}) {
    words.emplace_back(word);
  }
  words.push_back(absl::StrCat(kFilterFd));
  for (std::string& argument : arguments) words.push_back(std::move(argument));
  return command;
}

// Links as Debian's root has them, and places for mounts.
absl::Status MakeHostRoot(const std::string& root) {
  if (access(root.c_str(), F_OK) == 0) return absl::OkStatus();
  for (const char* folder : {"", "/usr", "/proc", "/dev", "/tmp", "/etc", "/mnt", "/src"}) {
    RETURN_IF_ERROR(MakeDirectoryAt(AT_FDCWD, root + folder, 0755));
  }
  for (const char* name : {"bin", "sbin", "lib", "lib64"}) {
    if (symlink(absl::StrCat("usr/", name).c_str(), absl::StrCat(root, "/", name).c_str()) != 0) {
      return ErrnoError(errno, "symlink");
    }
  }
  return absl::OkStatus();
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
           {"bubblewrap", "bwrap"}, {"crun", "crun"}, {"runc", "runc"}, {"podman", "podman"}}) {
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
    (void)TimeCommand(runtime == kPodman ? Podman({"rm", "-f", "-t", "0", id})
                                         : Runtime(runtime, {"delete", "-f", id}));
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
  Command command = Bubblewrap(workspace_->root(), {"--uid", "0", "--gid", "0"}, {"/bin/hello"});
  command.fds = {{filter.get(), kFilterFd}};
  return TimeCommand(command);
}

std::vector<std::string> Peers::Creators() const {
  std::vector<std::string> names;
  for (const char* name : {"bubblewrap", "crun", "runc"}) {
    if (Has(name)) names.emplace_back(name);
  }
  return names;
}

std::vector<Case> Peers::CreateCases() const {
  std::vector<Case> cases;
  for (const std::string& name : Creators()) {
    cases.push_back({name == "bubblewrap" ? name : name + " run",
                     [this, name] { return TimeCreate(name, 0); }});
  }
  return cases;
}

absl::Status Peers::StartWaiting(const std::string& runtime, const std::string& id) const {
  const std::string bundle =
      absl::StrCat(workspace_->path(), "/bundle-", id.substr(0, id.find('-')), "-", runtime);
  return RunDetached(Runtime(runtime, {"run", "-d", "-b", bundle, id}));
}

// The container keeps the stdout that it is given, so the pipe of a timed command would not end.
absl::Status Peers::RunDetached(const Command& command) const {
  ASSIGN_OR_RETURN(Companion starter, Companion::Start(command, 10000));
  return starter.AwaitEnd(kStarterMs);
}

// Nothing of it outside of the workspace; its default profile, no network, no log.
Command Peers::Podman(std::vector<std::string> arguments) const {
  const std::string folder = absl::StrCat(workspace_->path(), "/podman-");
  Command command{{kPodman, "--runtime", Has("crun") ? "crun" : "runc", "--cgroup-manager",
                   "cgroupfs", "--events-backend", "none", "--storage-driver", "vfs", "--root",
                   folder + "storage", "--runroot", folder + "run", "--tmpdir", folder + "tmp"}};
  for (std::string& argument : arguments) command.arguments.push_back(std::move(argument));
  return command;
}

absl::Status Peers::StartAll() {
  if (!waiting_.empty()) return absl::OkStatus();
  for (const std::string runtime : kOciRuntimes) {
    if (!Has(runtime)) continue;
    const std::string id = absl::StrCat("wait-", runtime);
    waiting_.emplace_back(runtime, id);
    RETURN_IF_ERROR(StartWaiting(runtime, id));
  }
  if (!Has(kPodman)) return absl::OkStatus();
  const std::string id = absl::StrCat("glovebox-bench-", getpid());
  waiting_.emplace_back(kPodman, id);
  return RunDetached(
      Podman({"run", "-d", "--name", id, "--network", "none", "--log-driver", "none", "--ulimit",
              "nofile=20000:20000", "--ulimit", "nproc=20000:20000", "--cgroup-parent", cgroup_,
              "--rootfs", workspace_->root(), "/bin/pause_bare"}));
}

absl::StatusOr<std::vector<Case>> Peers::ExecCases(const std::string& program) {
  RETURN_IF_ERROR(StartAll());
  std::vector<Case> cases;
  for (const auto& [runtime, id] : waiting_) {
    const std::vector<std::string> arguments = {"exec", id, program};
    const Command command = runtime == kPodman ? Podman(arguments) : Runtime(runtime, arguments);
    cases.push_back({runtime + " exec", [command] { return TimeCommand(command); }});
  }
  return cases;
}

absl::StatusOr<std::map<std::string, Command>> Peers::Confined(const std::string& source,
                                                               std::vector<std::string> arguments) {
  const std::string root = absl::StrCat(workspace_->path(), "/host-root");
  const std::string programs = workspace_->root() + "/bin";
  RETURN_IF_ERROR(MakeHostRoot(root));
  std::map<std::string, Command> commands;
  if (Has("runc") && access(kDefaultProfile, R_OK) == 0) {
    const std::string bundle = absl::StrCat(workspace_->path(), "/bundle-confined");
    RETURN_IF_ERROR(MakeDirectoryAt(AT_FDCWD, bundle, 0755));
    ASSIGN_OR_RETURN(UniqueFd fd,
                     OpenAt(AT_FDCWD, bundle + "/config.json", O_WRONLY | O_CREAT | O_TRUNC, 0644));
    ASSIGN_OR_RETURN(std::string config,
                     OciHostConfig({root, programs, source, absl::StrCat(cgroup_, "/confined")},
                                   arguments, kDefaultProfile));
    RETURN_IF_ERROR(WriteAll(fd.get(), config));
    commands["runc, containers' default profile"] =
        Runtime("runc", {"run", "-b", bundle, "confined"});
  }
  if (Has("bubblewrap")) {
    const std::vector<std::string> binds = {"--ro-bind", "/usr",      "/usr", "--ro-bind", programs,
                                            "/mnt",      "--ro-bind", source, "/src"};
    Command command = Bubblewrap(root, binds, std::move(arguments));
    commands["bubblewrap, an allow list"] = std::move(command);
  }
  return commands;
}

absl::StatusOr<std::string> Peers::OutputOfConfined(Command command) const {
  // bubblewrap reads from where the descriptor stands: each run gets one of its own.
  ASSIGN_OR_RETURN(UniqueFd filter,
                   OpenAt(AT_FDCWD, absl::StrCat("/proc/self/fd/", filter_.get()), O_RDONLY));
  command.fds = {{filter.get(), kFilterFd}};
  return OutputOf(command);
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
