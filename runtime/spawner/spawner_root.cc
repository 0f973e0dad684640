#include "spawner/spawner_root.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/mount.h>
#include <linux/prctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include <initializer_list>

#include "base/unique_fd.h"
#include "init/launch_plan.h"
#include "linux/bare_text.h"
#include "linux/raw_syscalls.h"
#include "spawner/signals.h"

namespace glovebox {
namespace {

constexpr SetupStep kStep = SetupStep::kReceiveRequest;  // start-up has no step of its own
constexpr unsigned long kPrivate = 1UL << 18;            // MS_PRIVATE
constexpr unsigned long kRecursive = 1UL << 14;          // MS_REC
constexpr int kDetach = 2;                               // MNT_DETACH

constexpr uint64_t Bit(int capability) { return uint64_t{1} << capability; }

// What making sandboxes needs, each for:
constexpr uint64_t kKeptCapabilities =
    Bit(CAP_SYS_ADMIN) |    // clone3 with namespaces, id-mapping mounts of the host's file systems
    Bit(CAP_SETUID) |       // writing uid_map with a range that is not the writer's own
    Bit(CAP_SETGID) |       // the same for gid_map, with setgroups left allowed
    Bit(CAP_DAC_OVERRIDE);  // CLONE_INTO_CGROUP writes cgroup.procs, which belongs to the
                            // sandbox's own root id

bool MakeDirectory(int dir_fd, const char* name, unsigned mode, SpawnFailure* failure) {
  return Succeeded(raw::Call(__NR_mkdirat, dir_fd, name, mode), kStep, name, failure);
}

// A tmpfs that is not mounted anywhere yet.
UniqueFd NewTmpfs(const char* size, const char* inodes, SpawnFailure* failure) {
  UniqueFd context(static_cast<int>(raw::FsOpen("tmpfs", FSOPEN_CLOEXEC)));
  if (!Succeeded(context.get(), kStep, "fsopen tmpfs", failure)) return UniqueFd();
  const char* options[][2] = {{"mode", "0755"}, {"size", size}, {"nr_inodes", inodes}};
  for (auto& option : options) {
    long result = raw::FsConfig(context.get(), FSCONFIG_SET_STRING, option[0], option[1], 0);
    if (!Succeeded(result, kStep, option[0], failure)) return UniqueFd();
  }
  long created = raw::FsConfig(context.get(), FSCONFIG_CMD_CREATE, nullptr, nullptr, 0);
  if (!Succeeded(created, kStep, "create tmpfs", failure)) return UniqueFd();
  long mount = raw::FsMount(context.get(), FSMOUNT_CLOEXEC, 0);
  (void)Succeeded(mount, kStep, "fsmount tmpfs", failure);  // reported by `failure`
  return UniqueFd(mount < 0 ? -1 : static_cast<int>(mount));
}

bool Protect(int mount_fd, uint64_t attributes, SpawnFailure* failure) {
  mount_attr attr{};
  attr.attr_set = attributes;
  return Succeeded(raw::MountSetAttr(mount_fd, "", AT_EMPTY_PATH, attr), kStep, "mount_setattr",
                   failure);
}

// Real nodes, not binds of the host's: nothing of the host's /dev is reachable through them.
bool FillDevices(int dev_fd, SpawnFailure* failure) {
  struct Node {
    const char* name;
    unsigned major_number, minor_number;
  };
  constexpr Node kNodes[] = {{"null", 1, 3},   {"zero", 1, 5},    {"full", 1, 7},
                             {"random", 1, 8}, {"urandom", 1, 9}, {"tty", 5, 0}};
  for (const Node& node : kNodes) {
    long made = raw::Call(__NR_mknodat, dev_fd, node.name, S_IFCHR | 0666,
                          makedev(node.major_number, node.minor_number));
    if (!Succeeded(made, kStep, node.name, failure)) return false;
  }
  constexpr const char* kLinks[][2] = {{"/proc/self/fd", "fd"},
                                       {"/proc/self/fd/0", "stdin"},
                                       {"/proc/self/fd/1", "stdout"},
                                       {"/proc/self/fd/2", "stderr"},
                                       {"pts/ptmx", "ptmx"}};
  for (auto& link : kLinks) {
    long made = raw::Call(__NR_symlinkat, link[0], dev_fd, link[1]);
    if (!Succeeded(made, kStep, link[1], failure)) return false;
  }
  return MakeDirectory(dev_fd, "pts", 0755, failure) && MakeDirectory(dev_fd, "shm", 0755, failure);
}

bool FillRoot(int root_fd, SpawnFailure* failure) {
  for (const char* name : {"proc", "dev", "empty", "stage", "stage/u", "stage/r"}) {
    if (!MakeDirectory(root_fd, name, 0755, failure)) return false;
  }
  for (uint32_t i = 0; i < kLayersMax; ++i) {
    TextBuffer<16> name;
    name.Add("stage/l").AddNumber(i);
    if (!MakeDirectory(root_fd, name.text(), 0755, failure)) return false;
  }
  return true;
}

bool Attach(int mount_fd, int to_fd, const char* to, SpawnFailure* failure) {
  return Succeeded(raw::MoveMount(mount_fd, "", to_fd, to, MOVE_MOUNT_F_EMPTY_PATH), kStep, to,
                   failure);
}

bool NullToStandardDescriptors(SpawnFailure* failure) {
  UniqueFd null_fd(static_cast<int>(raw::OpenAt(AT_FDCWD, "/dev/null", O_RDWR | O_CLOEXEC)));
  if (!Succeeded(null_fd.get(), kStep, "/dev/null", failure)) return false;
  for (int fd = 0; fd < 3; ++fd) {
    if (!Succeeded(raw::Dup3(null_fd.get(), fd, 0), kStep, "dup3", failure)) return false;
  }
  return true;
}

}  // namespace

bool EnterSpawnerRoot(SpawnFailure* failure) {
  (void)raw::Call(__NR_umask, 0);  // the modes below are meant; cannot fail
  if (!Succeeded(raw::Call(__NR_unshare, CLONE_NEWNS), kStep, "unshare", failure)) return false;
  long result = raw::Mount(nullptr, "/", nullptr, kRecursive | kPrivate, nullptr);
  if (!Succeeded(result, kStep, "make mounts private", failure)) return false;
  UniqueFd root = NewTmpfs("64k", "64", failure);
  UniqueFd dev = root.valid() ? NewTmpfs("64k", "32", failure) : UniqueFd();
  UniqueFd empty = dev.valid() ? NewTmpfs("4k", "2", failure) : UniqueFd();
  if (!empty.valid() || !FillRoot(root.get(), failure) || !FillDevices(dev.get(), failure)) {
    return false;
  }
  constexpr uint64_t kQuiet = MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC;
  if (!Protect(dev.get(), kQuiet, failure) ||
      !Protect(empty.get(), kQuiet | MOUNT_ATTR_NODEV, failure)) {
    return false;
  }
  // Over the present root, entered by its descriptor; then the two change places and the host's
  // tree, now on top, goes.
  if (!Attach(root.get(), AT_FDCWD, "/", failure) ||
      !Succeeded(raw::Call(__NR_fchdir, root.get()), kStep, "fchdir", failure) ||
      !Attach(dev.get(), AT_FDCWD, "dev", failure) ||
      !Attach(empty.get(), AT_FDCWD, "empty", failure)) {
    return false;
  }
  constexpr unsigned long kProcFlags = 2 | 4 | 8;  // MS_NOSUID MS_NODEV MS_NOEXEC
  result = raw::Mount("proc", "proc", "proc", kProcFlags, nullptr);
  if (!Succeeded(result, kStep, "proc", failure) ||
      !Succeeded(raw::PivotRoot(".", "."), kStep, "pivot_root", failure) ||
      !Succeeded(raw::Call(__NR_umount2, ".", kDetach), kStep, "detach the host", failure) ||
      !Succeeded(raw::Call(__NR_chdir, "/"), kStep, "chdir", failure)) {
    return false;
  }
  (void)raw::Call(__NR_umask, 022);  // every sandbox inherits it; cannot fail
  return Protect(root.get(), kQuiet | MOUNT_ATTR_NODEV, failure) &&
         NullToStandardDescriptors(failure);
}

bool GiveUpOomProtection(SpawnFailure* failure) {
  UniqueFd fd(
      static_cast<int>(raw::OpenAt(AT_FDCWD, "/proc/self/oom_score_adj", O_RDWR | O_CLOEXEC)));
  if (!Succeeded(fd.get(), kStep, "oom_score_adj", failure)) return false;
  char sign = 0;
  if (!Succeeded(raw::Read(fd.get(), &sign, 1), kStep, "oom_score_adj", failure)) return false;
  return sign != '-' || Succeeded(raw::Write(fd.get(), "0", 1), kStep, "oom_score_adj", failure);
}

bool ReducePrivilege(SpawnFailure* failure) {
  for (int capability = 0; raw::Prctl(PR_CAPBSET_READ, capability) >= 0; ++capability) {
    if ((kKeptCapabilities & Bit(capability)) != 0) continue;
    long dropped = raw::Prctl(PR_CAPBSET_DROP, capability);
    if (!Succeeded(dropped, kStep, "drop bounding", failure)) return false;
    if (raw::Prctl(PR_CAPBSET_READ, capability) != 0) {
      return Succeeded(-EPERM, kStep, "a capability stayed in the bounding set", failure);
    }
  }
  raw::CapabilitySets wanted{kKeptCapabilities, kKeptCapabilities, 0};
  raw::CapabilitySets got;
  if (!Succeeded(raw::CapSet(wanted), kStep, "capset", failure) ||
      !Succeeded(raw::CapGet(&got), kStep, "capget", failure)) {
    return false;
  }
  if (got != wanted) return Succeeded(-EPERM, kStep, "capabilities differ after capset", failure);
  return Succeeded(raw::Prctl(PR_SET_NO_NEW_PRIVS, 1), kStep, "no_new_privs", failure);
}

bool ResetSignals(SpawnFailure* failure) {
  constexpr uintptr_t kDefault = 0;
  constexpr uintptr_t kIgnore = 1;
  for (int signal = 1; signal <= kSignalMax; ++signal) {
    (void)SetDisposition(signal, kDefault);  // SIGKILL and SIGSTOP refuse, which is right
  }
  return Succeeded(SetDisposition(kSigChld, kIgnore), kStep, "SIGCHLD", failure) &&
         Succeeded(UnblockAllSignals(), kStep, "signal mask", failure);
}

}  // namespace glovebox
