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
#include "spawner/device_tree.h"
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
    Bit(CAP_MKNOD) |        // the six harmless nodes of each sandbox's /dev
    Bit(CAP_DAC_OVERRIDE);  // CLONE_INTO_CGROUP writes cgroup.procs, which belongs to the
                            // sandbox's own root id

bool MakeDirectory(int dir_fd, const char* name, unsigned mode, SpawnFailure* failure) {
  return Succeeded(raw::Call(__NR_mkdirat, dir_fd, name, mode), kStep, name, failure);
}

bool Protect(int mount_fd, uint64_t attributes, SpawnFailure* failure) {
  mount_attr attr{};
  attr.attr_set = attributes;
  return Succeeded(raw::MountSetAttr(mount_fd, "", AT_EMPTY_PATH, attr), kStep, "mount_setattr",
                   failure);
}

bool FillRoot(int root_fd, SpawnFailure* failure) {
  for (const char* name : {"proc", "dev", "stage", "stage/u", "stage/r", "stage/b", "stage/d"}) {
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
  UniqueFd null_fd(static_cast<int>(raw::OpenAt(AT_FDCWD, "/dev/dev/null", O_RDWR | O_CLOEXEC)));
  if (!Succeeded(null_fd.get(), kStep, "/dev/dev/null", failure)) return false;
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
  UniqueFd root = NewTmpfs("64k", "64", kStep, failure);
  UniqueFd dev = root.valid() ? NewDeviceTree(kStep, failure) : UniqueFd();
  if (!dev.valid() || !FillRoot(root.get(), failure)) return false;
  // Over the present root, entered by its descriptor; then the two change places and the host's
  // tree, now on top, goes.
  if (!Attach(root.get(), AT_FDCWD, "/", failure) ||
      !Succeeded(raw::Call(__NR_fchdir, root.get()), kStep, "fchdir", failure) ||
      !Attach(dev.get(), AT_FDCWD, "dev", failure)) {
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
  constexpr uint64_t kQuiet =
      MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC;
  return Protect(root.get(), kQuiet, failure) && NullToStandardDescriptors(failure);
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
