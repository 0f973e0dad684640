#include "linux/confinement.h"

#include <fcntl.h>
#include <grp.h>
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>

#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "linux/file_io.h"
#include "linux/mount.h"
#include "linux/raw_syscalls.h"

namespace glovebox {
namespace {

absl::Status Check(long result, absl::string_view what) {
  return result < 0 ? ErrnoError(errno, what) : absl::OkStatus();
}

absl::Status Limit(decltype(RLIMIT_CORE) resource, uint64_t value, absl::string_view what) {
  rlimit limit{value, value};
  rlimit now{};
  // Never more than it was: raising a hard limit is a capability.
  if (::getrlimit(resource, &now) == 0 && now.rlim_max < value) {
    limit = {now.rlim_max, now.rlim_max};
  }
  return Check(::setrlimit(resource, &limit), what);
}

absl::Status GiveUpOomProtection() {
  constexpr char kFile[] = "/proc/self/oom_score_adj";
  ASSIGN_OR_RETURN(const std::string score, ReadFileAt(AT_FDCWD, kFile, 16));
  return score[0] == '-' ? WriteKernelFileAt(AT_FDCWD, kFile, "0") : absl::OkStatus();
}

absl::Status EmptyBoundingSet() {
  for (int capability = 0; ::prctl(PR_CAPBSET_READ, capability, 0, 0, 0) >= 0; ++capability) {
    RETURN_IF_ERROR(Check(::prctl(PR_CAPBSET_DROP, capability, 0, 0, 0),
                          absl::StrCat("dropping capability ", capability)));
    if (::prctl(PR_CAPBSET_READ, capability, 0, 0, 0) != 0) {
      return absl::InternalError(absl::StrCat("capability ", capability, " stayed"));
    }
  }
  return absl::OkStatus();
}

absl::Status BecomeUser(uid_t id) {
  RETURN_IF_ERROR(Check(::setgroups(0, nullptr), "setgroups"));
  RETURN_IF_ERROR(Check(::setresgid(id, id, id), "setresgid"));
  RETURN_IF_ERROR(Check(::setresuid(id, id, id), "setresuid"));
  uid_t uids[3];
  gid_t gids[3];
  RETURN_IF_ERROR(Check(::getresuid(&uids[0], &uids[1], &uids[2]), "getresuid"));
  RETURN_IF_ERROR(Check(::getresgid(&gids[0], &gids[1], &gids[2]), "getresgid"));
  for (int i = 0; i < 3; ++i) {
    if (uids[i] != id || gids[i] != id) return absl::InternalError("ids differ from what was set");
  }
  if (::getgroups(0, nullptr) != 0) return absl::InternalError("groups are left");
  if (::setresuid(0, 0, 0) == 0) return absl::InternalError("root could be had again");
  return absl::OkStatus();
}

absl::Status EmptyCapabilities() {
  const raw::CapabilitySets none{0, 0, 0};
  raw::CapabilitySets got;
  if (raw::CapSet(none) != 0 || raw::CapGet(&got) != 0 || got != none) {
    return absl::InternalError("capabilities are left");
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status EnterEmptyWorld(const std::string& name, WorldNetwork network) {
  RETURN_IF_ERROR(GiveUpOomProtection());  // while there is a /proc
  RETURN_IF_ERROR(Check(
      ::unshare(CLONE_NEWIPC | CLONE_NEWUTS | (network == WorldNetwork::kNone ? CLONE_NEWNET : 0)),
      "unshare namespaces"));
  RETURN_IF_ERROR(EnterPrivateMountNamespace());
  ASSIGN_OR_RETURN(
      const UniqueFd root,
      MakeMount("tmpfs", name, {{"size", "4k"}, {"nr_inodes", "2"}, {"mode", "0555"}},
                MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC));
  // Over the present root, entered by its descriptor; then the two change places, and what was the
  // root, now on top, goes.
  RETURN_IF_ERROR(AttachMount(root.get(), "/"));
  RETURN_IF_ERROR(Check(::fchdir(root.get()), "fchdir"));
  RETURN_IF_ERROR(Check(::syscall(SYS_pivot_root, ".", "."), "pivot_root"));
  RETURN_IF_ERROR(Check(::syscall(SYS_umount2, ".", MNT_DETACH), "detach the host"));
  RETURN_IF_ERROR(Check(::chdir("/"), "chdir"));
  if (::access("/proc", F_OK) == 0) return absl::InternalError("the root is not empty");
  return absl::OkStatus();
}

absl::Status GiveUpPrivilege(uid_t id, uint64_t descriptors_max, uint64_t memory_bytes_max) {
  if (id == 0) return absl::InvalidArgumentError("a confined process does not run as root");
  RETURN_IF_ERROR(EmptyBoundingSet());
  RETURN_IF_ERROR(BecomeUser(id));
  RETURN_IF_ERROR(EmptyCapabilities());
  RETURN_IF_ERROR(Check(::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), "no_new_privs"));
  // Both after the change of uid, which resets them (prctl(2)).
  RETURN_IF_ERROR(Check(::prctl(PR_SET_DUMPABLE, 0, 0, 0, 0), "PR_SET_DUMPABLE"));
  RETURN_IF_ERROR(Check(::prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0), "PR_SET_PDEATHSIG"));
  RETURN_IF_ERROR(Limit(RLIMIT_NOFILE, descriptors_max, "RLIMIT_NOFILE"));
  RETURN_IF_ERROR(Limit(RLIMIT_AS, memory_bytes_max, "RLIMIT_AS"));
  RETURN_IF_ERROR(Limit(RLIMIT_NPROC, 0, "RLIMIT_NPROC"));
  RETURN_IF_ERROR(Limit(RLIMIT_FSIZE, 0, "RLIMIT_FSIZE"));
  return Limit(RLIMIT_CORE, 0, "RLIMIT_CORE");
}

}  // namespace glovebox
