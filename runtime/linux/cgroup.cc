#include "linux/cgroup.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <set>
#include <utility>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "base/status.h"
#include "linux/cgroup_controllers.h"
#include "linux/cgroup_directory.h"
#include "linux/cgroup_knobs.h"
#include "linux/file_io.h"

namespace glovebox {
namespace {

constexpr char kLeafPrefix[] = "exec-";
std::string LeafName(uint32_t number) { return absl::StrCat(kLeafPrefix, number); }

absl::StatusOr<pid_t> OnlyMember(int directory_fd, const std::string& name) {
  ASSIGN_OR_RETURN(const std::string text, ReadFileAt(directory_fd, "cgroup.procs", 4096));
  const std::vector<absl::string_view> lines = absl::StrSplit(text, '\n', absl::SkipEmpty());
  pid_t pid = 0;
  if (lines.empty()) return absl::NotFoundError(absl::StrCat("nothing lives in cgroup ", name));
  if (lines.size() == 1 && absl::SimpleAtoi(lines[0], &pid) && pid > 0) return pid;
  return absl::FailedPreconditionError(
      absl::StrCat("cgroup ", name, " has ", lines.size(), " processes besides its commands"));
}

// "Uid:\t<real> ..." is the root of the sandbox, and "NSpid:" ends with 1.
absl::Status CheckIsInit(pid_t pid, uid_t host_root_uid) {
  ASSIGN_OR_RETURN(const std::string status,
                   ReadFileAt(AT_FDCWD, absl::StrCat("/proc/", pid, "/status"), 16384));
  bool owner = false;
  bool first = false;
  for (absl::string_view line : absl::StrSplit(status, '\n')) {
    const std::vector<absl::string_view> words =
        absl::StrSplit(line, absl::ByAnyChar("\t "), absl::SkipEmpty());
    if (words.size() < 3) continue;
    if (words[0] == "Uid:") owner = words[1] == absl::StrCat(host_root_uid);
    if (words[0] == "NSpid:") first = words.back() == "1";
  }
  if (owner && first) return absl::OkStatus();
  return absl::FailedPreconditionError(
      absl::StrCat("process ", pid, " is not the init of its sandbox"));
}

// Whoever may write cgroup.procs may have children born there.
absl::Status GiveProcs(int directory_fd, uid_t uid) {
  if (fchownat(directory_fd, "cgroup.procs", uid, static_cast<gid_t>(-1), AT_SYMLINK_NOFOLLOW) <
      0) {
    return ErrnoError(errno, "chown cgroup.procs");
  }
  return absl::OkStatus();
}

absl::StatusOr<UniqueFd> Duplicate(const UniqueFd& fd) {
  UniqueFd copy(fcntl(fd.get(), F_DUPFD_CLOEXEC, 3));
  if (!copy.valid()) return ErrnoError(errno, "fcntl F_DUPFD_CLOEXEC");
  return copy;
}

absl::Status CheckName(absl::string_view what, absl::string_view name) {
  const bool plain =
      !name.empty() && name.size() <= 64 && std::all_of(name.begin(), name.end(), [](char c) {
        return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-';
      });
  if (plain) return absl::OkStatus();
  return DetailedError(absl::StatusCode::kInvalidArgument,
                       absl::StrCat("cgroup ", what, ": give 1 to 64 of a-z, 0-9 and '-'"),
                       {"CGROUP_NAME_INVALID", {{"field", std::string(what)}}});
}

// A directory that was removed while it was open has files that answer ENODEV.
bool IsGoneCgroup(const absl::Status& status) {
  const auto detail = GetErrorDetail(status);
  if (absl::IsNotFound(status)) return true;
  if (!detail.has_value()) return false;
  const auto number = detail->metadata.find("errno");
  return number != detail->metadata.end() && number->second == absl::StrCat(ENODEV);
}

absl::Status MissingCgroup2() {
  return DetailedError(
      absl::StatusCode::kFailedPrecondition, "no cgroup2 file system is mounted",
      {"CGROUP2_MISSING", {{"remedy", "mount -t cgroup2 cgroup2 /sys/fs/cgroup/unified"}}});
}

}  // namespace

absl::Status MissingController(const std::string& controller, CgroupVersion version) {
  const std::string remedy =
      version == CgroupVersion::kV2
          ? absl::StrCat("hand it down to the daemon's cgroup (systemd: Delegate=", controller,
                         "), and see that cgroup_disable=", controller, " is not on /proc/cmdline")
          : absl::StrCat("mount -t cgroup -o ", controller, " cgroup /sys/fs/cgroup/", controller);
  return DetailedError(
      absl::StatusCode::kFailedPrecondition,
      absl::StrCat("cgroup controller ", controller, " is missing, so its limit would not hold; ",
                   remedy),
      {"CGROUP_CONTROLLER_MISSING", {{"controller", controller}, {"remedy", remedy}}});
}

SandboxCgroup::SandboxCgroup(UniqueFd instance, std::string id, UniqueFd directory,
                             std::unique_ptr<CgroupControllers> controllers, uid_t host_root_uid,
                             std::vector<UniqueFd> v1_instances)
    : instance_(std::move(instance)),
      id_(std::move(id)),
      directory_(std::move(directory)),
      controllers_(std::move(controllers)),
      host_root_uid_(host_root_uid),
      v1_instances_(std::move(v1_instances)) {}

SandboxCgroup::~SandboxCgroup() = default;

absl::StatusOr<CgroupEntry> SandboxCgroup::OpenEntry() const {
  CgroupEntry entry;
  ASSIGN_OR_RETURN(entry.tasks, controllers_->OpenTasks());
  ASSIGN_OR_RETURN(entry.directory, Duplicate(directory_));
  ASSIGN_OR_RETURN(entry.counters, controllers_->OpenCounters());
  return entry;
}

absl::StatusOr<ExecLeaf> SandboxCgroup::CreateExecLeaf(uint32_t number) const {
  const std::string name = LeafName(number);
  ExecLeaf leaf;
  ASSIGN_OR_RETURN(leaf.directory, MakeCgroup(directory_.get(), name));
  absl::Cleanup undo = [&] {
    (void)unlinkat(directory_.get(), name.c_str(), AT_REMOVEDIR);  // empty: nobody knows it yet
  };
  // Whatever our umask is: init looks for what lives in it, as no user of the host.
  if (fchmod(leaf.directory.get(), 0755) < 0) return ErrnoError(errno, "chmod of a cgroup");
  RETURN_IF_ERROR(GiveProcs(leaf.directory.get(), host_root_uid_));
  ASSIGN_OR_RETURN(leaf.kill, OpenAt(leaf.directory.get(), "cgroup.kill", O_WRONLY));
  struct stat status {};
  if (::fstat(leaf.directory.get(), &status) != 0) return ErrnoError(errno, "stat of a cgroup");
  leaf.id = status.st_ino;
  std::move(undo).Cancel();
  return leaf;
}

absl::Status SandboxCgroup::RemoveExecLeaf(uint32_t number) const {
  const std::string name = LeafName(number);
  absl::StatusOr<UniqueFd> leaf = OpenCgroup(directory_.get(), name);
  if (absl::IsNotFound(leaf.status())) return absl::OkStatus();
  RETURN_IF_ERROR(leaf.status());
  RETURN_IF_ERROR(WaitUntilEmpty(leaf->get(), name, kEmptyTimeoutMs));
  return RemoveCgroup(directory_.get(), name, kEmptyTimeoutMs);
}

absl::Status SandboxCgroup::KillExecLeaf(uint32_t number) const {
  const std::string name = LeafName(number);
  ASSIGN_OR_RETURN(const UniqueFd leaf, OpenCgroup(directory_.get(), name));
  ASSIGN_OR_RETURN(const uint64_t populated,
                   ReadKeyedNumber(leaf.get(), "cgroup.events", "populated"));
  if (populated == 0) return absl::NotFoundError(absl::StrCat("nothing lives in ", name));
  return WriteKernelFileAt(leaf.get(), "cgroup.kill", "1");
}

absl::StatusOr<std::vector<uint32_t>> SandboxCgroup::ListExecLeaves() const {
  ASSIGN_OR_RETURN(const std::vector<std::string> names, ListCgroups(directory_.get()));
  std::vector<uint32_t> numbers;
  for (absl::string_view name : names) {
    uint32_t number = 0;
    if (absl::ConsumePrefix(&name, kLeafPrefix) && absl::SimpleAtoi(name, &number)) {
      numbers.push_back(number);
    }
  }
  return numbers;
}

absl::StatusOr<std::map<uint64_t, uint32_t>> SandboxCgroup::ExecLeafIds() const {
  ASSIGN_OR_RETURN(const std::vector<uint32_t> numbers, ListExecLeaves());
  std::map<uint64_t, uint32_t> ids;
  for (const uint32_t number : numbers) {
    struct stat status {};
    // A leaf that went meanwhile is none. The inode's number is the id, and is not used again.
    if (::fstatat(directory_.get(), LeafName(number).c_str(), &status, AT_SYMLINK_NOFOLLOW) == 0) {
      ids[status.st_ino] = number;
    }
  }
  return ids;
}

void SandboxCgroup::RemoveExecLeafIfEmpty(uint32_t number) const {
  // EBUSY: something lives in it.
  (void)unlinkat(directory_.get(), LeafName(number).c_str(), AT_REMOVEDIR);
}

absl::Status SandboxCgroup::FreezeCommands() const {
  absl::Cleanup thaw = [this] { (void)ThawCommands(); };  // what froze can be thawed
  ASSIGN_OR_RETURN(const std::vector<uint32_t> numbers, ListExecLeaves());
  std::vector<std::pair<UniqueFd, std::string>> leaves;
  for (const uint32_t number : numbers) {
    absl::StatusOr<UniqueFd> leaf = OpenCgroup(directory_.get(), LeafName(number));
    if (absl::IsNotFound(leaf.status())) continue;  // its command ended meanwhile
    RETURN_IF_ERROR(leaf.status());
    // All at once; the waiting comes after.
    absl::Status asked = WriteKernelFileAt(leaf->get(), "cgroup.freeze", "1");
    if (!asked.ok() && !IsGoneCgroup(asked)) return asked;
    if (asked.ok()) leaves.emplace_back(*std::move(leaf), LeafName(number));
  }
  for (const auto& [leaf, name] : leaves) {
    absl::Status frozen = FreezeCgroup(leaf.get(), name, kFreezeTimeoutMs);
    if (!frozen.ok() && !IsGoneCgroup(frozen)) return frozen;
  }
  std::move(thaw).Cancel();
  return absl::OkStatus();
}

absl::Status SandboxCgroup::ThawCommands() const {
  ASSIGN_OR_RETURN(const std::vector<uint32_t> numbers, ListExecLeaves());
  absl::Status first;
  for (const uint32_t number : numbers) {
    const absl::StatusOr<UniqueFd> leaf = OpenCgroup(directory_.get(), LeafName(number));
    const absl::Status thawed = leaf.ok() ? ThawCgroup(leaf->get()) : leaf.status();
    if (!thawed.ok() && !IsGoneCgroup(thawed)) first.Update(thawed);
  }
  return first;
}

absl::Status SandboxCgroup::Freeze() const {
  return FreezeCgroup(directory_.get(), id_, kFreezeTimeoutMs);
}

absl::Status SandboxCgroup::Thaw() const { return ThawCgroup(directory_.get()); }

absl::StatusOr<SandboxCgroup::Init> SandboxCgroup::FindInit() const {
  ASSIGN_OR_RETURN(const pid_t pid, OnlyMember(directory_.get(), id_));
  const long pidfd = syscall(SYS_pidfd_open, pid, 0);
  if (pidfd < 0) return ErrnoError(errno, absl::StrCat("pidfd_open ", pid));
  Init init{UniqueFd(static_cast<int>(pidfd)), pid};
  RETURN_IF_ERROR(CheckIsInit(pid, host_root_uid_));
  // A number can be another's by now; a pidfd cannot. What still is in the cgroup under this number
  // after the pidfd was opened is what the pidfd names.
  ASSIGN_OR_RETURN(const pid_t again, OnlyMember(directory_.get(), id_));
  if (again != pid) return absl::NotFoundError(absl::StrCat("init of ", id_, " has ended"));
  return init;
}

absl::Status SandboxCgroup::Kill() const {
  absl::Status killed = WriteKernelFileAt(directory_.get(), "cgroup.kill", "1");
  if (absl::IsNotFound(killed)) return absl::OkStatus();  // removed, so nothing is left in it
  return killed;
}

absl::StatusOr<CgroupEvents> SandboxCgroup::Events() const {
  ASSIGN_OR_RETURN(CgroupEvents events, controllers_->Events());
  ASSIGN_OR_RETURN(events.cpu_usage_us,
                   ReadKeyedNumber(directory_.get(), "cpu.stat", "usage_usec"));
  return events;
}

absl::Status SandboxCgroup::Remove() const {
  absl::StatusOr<UniqueFd> directory = OpenCgroup(instance_.get(), id_);
  if (directory.ok()) {
    RETURN_IF_ERROR(WaitUntilEmpty(directory->get(), id_, kEmptyTimeoutMs));
    ASSIGN_OR_RETURN(const std::vector<std::string> leaves, ListCgroups(directory->get()));
    for (const std::string& leaf : leaves) {
      RETURN_IF_ERROR(RemoveCgroup(directory->get(), leaf, kEmptyTimeoutMs));
    }
    RETURN_IF_ERROR(RemoveCgroup(instance_.get(), id_, kEmptyTimeoutMs));
  } else if (!absl::IsNotFound(directory.status())) {
    return directory.status();
  }
  for (const UniqueFd& v1 : v1_instances_) {
    RETURN_IF_ERROR(RemoveCgroup(v1.get(), id_, kEmptyTimeoutMs));
  }
  return absl::OkStatus();
}

CgroupDriver::CgroupDriver(CgroupVersion version, std::string instance_name)
    : version_(version), instance_name_(std::move(instance_name)) {}

CgroupDriver::~CgroupDriver() = default;

absl::StatusOr<std::unique_ptr<CgroupDriver>> CgroupDriver::Open(const CgroupHost& host,
                                                                 const CgroupOptions& options) {
  RETURN_IF_ERROR(CheckName("instance", options.instance));
  if (host.v2_mount.empty()) return MissingCgroup2();
  std::unique_ptr<CgroupDriver> driver(
      new CgroupDriver(host.version, absl::StrCat("glovebox-", options.instance)));
  RETURN_IF_ERROR(driver->OpenV2(host, options.parent));
  if (host.version != CgroupVersion::kV2) RETURN_IF_ERROR(driver->OpenV1(host, options.parent));
  return driver;
}

absl::StatusOr<CgroupDriver::InstanceRoot> CgroupDriver::OpenRoot(const std::string& mount,
                                                                  const std::string& parent) const {
  InstanceRoot root;
  ASSIGN_OR_RETURN(root.parent,
                   OpenAt(AT_FDCWD, absl::StrCat(mount, "/", parent), O_RDONLY | O_DIRECTORY));
  RETURN_IF_ERROR(MakeDirectoryAt(root.parent.get(), instance_name_, 0755));
  ASSIGN_OR_RETURN(root.directory, OpenCgroup(root.parent.get(), instance_name_));
  return root;
}

absl::Status CgroupDriver::OpenV2(const CgroupHost& host, const std::string& parent) {
  ASSIGN_OR_RETURN(v2_, OpenRoot(host.v2_mount, parent));
  if (faccessat(v2_.directory.get(), "cgroup.kill", W_OK, 0) < 0) {
    return DetailedError(absl::StatusCode::kFailedPrecondition,
                         "this kernel has no cgroup.kill, so a tree of processes cannot be ended "
                         "for sure",
                         {"CGROUP_KILL_MISSING", {{"remedy", "use Linux 5.14 or later"}}});
  }
  if (version_ != CgroupVersion::kV2) return absl::OkStatus();
  std::string path = host.v2_mount;
  std::vector<std::string> components = absl::StrSplit(parent, '/', absl::SkipEmpty());
  components.insert(components.begin(), "");
  for (const std::string& component : components) {
    if (!component.empty()) absl::StrAppend(&path, "/", component);
    ASSIGN_OR_RETURN(UniqueFd directory, OpenAt(AT_FDCWD, path, O_RDONLY | O_DIRECTORY));
    RETURN_IF_ERROR(EnableV2Controllers(directory.get()));
  }
  return EnableV2Controllers(v2_.directory.get());
}

absl::Status CgroupDriver::OpenV1(const CgroupHost& host, const std::string& parent) {
  for (const char* controller : kCgroupControllers) {
    const auto mount = host.v1_mounts.find(controller);
    if (mount == host.v1_mounts.end()) return MissingController(controller, version_);
    // Controllers may share a hierarchy (cpu,cpuacct); one directory then serves both.
    ASSIGN_OR_RETURN(InstanceRoot root, OpenRoot(mount->second, parent));
    root.controller = controller;
    v1_.push_back(std::move(root));
  }
  return absl::OkStatus();
}

absl::StatusOr<std::unique_ptr<CgroupControllers>> CgroupDriver::MakeControllers(
    const std::string& id, const CgroupLimits* limits) const {
  if (version_ == CgroupVersion::kV2) {
    ASSIGN_OR_RETURN(UniqueFd directory, OpenCgroup(v2_.directory.get(), id));
    return MakeV2Controllers(std::move(directory), limits);
  }
  std::vector<V1Directory> directories;
  for (const InstanceRoot& v1 : v1_) {
    if (limits != nullptr) RETURN_IF_ERROR(MakeDirectoryAt(v1.directory.get(), id, 0755));
    ASSIGN_OR_RETURN(UniqueFd directory, OpenCgroup(v1.directory.get(), id));
    directories.push_back({v1.controller, std::move(directory)});
  }
  return MakeV1Controllers(std::move(directories), limits);
}

absl::StatusOr<std::unique_ptr<SandboxCgroup>> CgroupDriver::Assemble(const std::string& id,
                                                                      const CgroupLimits* limits,
                                                                      uid_t host_root_uid) const {
  ASSIGN_OR_RETURN(UniqueFd directory, OpenCgroup(v2_.directory.get(), id));
  if (limits != nullptr) RETURN_IF_ERROR(GiveProcs(directory.get(), host_root_uid));
  ASSIGN_OR_RETURN(std::unique_ptr<CgroupControllers> controllers, MakeControllers(id, limits));
  ASSIGN_OR_RETURN(UniqueFd instance, Duplicate(v2_.directory));
  std::vector<UniqueFd> v1_instances;
  for (const InstanceRoot& v1 : v1_) {
    ASSIGN_OR_RETURN(UniqueFd copy, Duplicate(v1.directory));
    v1_instances.push_back(std::move(copy));
  }
  return std::make_unique<SandboxCgroup>(std::move(instance), id, std::move(directory),
                                         std::move(controllers), host_root_uid,
                                         std::move(v1_instances));
}

absl::StatusOr<std::unique_ptr<SandboxCgroup>> CgroupDriver::CreateSandbox(
    const std::string& id, const CgroupLimits& limits, uid_t host_root_uid) {
  RETURN_IF_ERROR(CheckName("id", id));
  RETURN_IF_ERROR(MakeCgroup(v2_.directory.get(), id).status());
  absl::Cleanup undo = [&] { (void)RemoveSandbox(id); };  // empty; else RemoveLeftovers has it
  ASSIGN_OR_RETURN(std::unique_ptr<SandboxCgroup> cgroup, Assemble(id, &limits, host_root_uid));
  std::move(undo).Cancel();
  return cgroup;
}

absl::StatusOr<std::unique_ptr<SandboxCgroup>> CgroupDriver::AdoptSandbox(const std::string& id,
                                                                          uid_t host_root_uid) {
  RETURN_IF_ERROR(CheckName("id", id));
  return Assemble(id, nullptr, host_root_uid);
}

absl::Status CgroupDriver::RemoveSandbox(const std::string& id) const {
  RETURN_IF_ERROR(KillAndRemoveCgroup(v2_.directory.get(), id, SandboxCgroup::kEmptyTimeoutMs));
  for (const InstanceRoot& v1 : v1_) {
    RETURN_IF_ERROR(RemoveCgroup(v1.directory.get(), id, SandboxCgroup::kEmptyTimeoutMs));
  }
  return absl::OkStatus();
}

absl::Status CgroupDriver::RemoveLeftovers(const std::set<std::string>& kept) {
  // A removal cut short may have left a name on some hierarchies only.
  std::set<std::string> ids;
  ASSIGN_OR_RETURN(const std::vector<std::string> on_v2, ListCgroups(v2_.directory.get()));
  ids.insert(on_v2.begin(), on_v2.end());
  for (const InstanceRoot& v1 : v1_) {
    ASSIGN_OR_RETURN(const std::vector<std::string> on_v1, ListCgroups(v1.directory.get()));
    ids.insert(on_v1.begin(), on_v1.end());
  }
  absl::Status first;  // one that will not go does not keep the others
  for (const std::string& id : ids) {
    if (!kept.contains(id)) first.Update(RemoveSandbox(id));
  }
  return first;
}

absl::Status CgroupDriver::RemoveInstance() {
  RETURN_IF_ERROR(RemoveLeftovers());
  RETURN_IF_ERROR(RemoveCgroup(v2_.parent.get(), instance_name_, SandboxCgroup::kEmptyTimeoutMs));
  for (const InstanceRoot& v1 : v1_) {
    RETURN_IF_ERROR(RemoveCgroup(v1.parent.get(), instance_name_, SandboxCgroup::kEmptyTimeoutMs));
  }
  return absl::OkStatus();
}

}  // namespace glovebox
