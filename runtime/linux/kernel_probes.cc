#include "linux/kernel_probes.h"

#include <fcntl.h>
#include <linux/landlock.h>
#include <linux/mount.h>
#include <linux/sched.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <cstring>

#include "absl/functional/function_ref.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "base/unique_fd.h"
#include "linux/cgroup_host.h"
#include "linux/file_io.h"
#include "linux/mount.h"
#include "linux/socket_lookup.h"

#ifndef P_PIDFD
#define P_PIDFD 3
#endif

namespace glovebox {
namespace {

ProbeResult Works() { return {true, "works"}; }
ProbeResult Fails(absl::string_view call, int error) {
  return {false, absl::StrCat(call, ": ", std::strerror(error))};
}

// Runs `body` in a fork; the errno that it returns travels as the exit code (errnos are below 134).
ProbeResult InChild(absl::string_view what, absl::FunctionRef<int()> body) {
  const pid_t pid = fork();
  if (pid < 0) return Fails("fork", errno);
  if (pid == 0) _exit(body());
  int status = 0;
  while (waitpid(pid, &status, 0) < 0) {
    if (errno != EINTR) return Fails("waitpid", errno);
  }
  if (!WIFEXITED(status)) return {false, absl::StrCat(what, ": the probe was killed")};
  return WEXITSTATUS(status) == 0 ? Works() : Fails(what, WEXITSTATUS(status));
}

bool WriteFile(const char* path, const char* text) {
  UniqueFd fd(open(path, O_WRONLY | O_CLOEXEC));
  return fd.valid() && write(fd.get(), text, std::strlen(text)) >= 0;
}

// Becomes uid 0 of a user namespace of its own that maps the caller alone.
int EnterUserNamespace(int more_flags) {
  const std::string uid_map = absl::StrCat("0 ", geteuid(), " 1");
  const std::string gid_map = absl::StrCat("0 ", getegid(), " 1");
  if (unshare(CLONE_NEWUSER | more_flags) != 0) return errno;
  if (!WriteFile("/proc/self/setgroups", "deny") ||
      !WriteFile("/proc/self/uid_map", uid_map.c_str()) ||
      !WriteFile("/proc/self/gid_map", gid_map.c_str())) {
    return errno;
  }
  return 0;
}

int MountOverlay() {
  if (const int error = EnterUserNamespace(CLONE_NEWNS); error != 0) return error;
  // A tmpfs over /tmp of the own mount namespace goes with it.
  absl::StatusOr<UniqueFd> tmpfs = MakeMount("tmpfs", "", {{"size", "1m"}}, 0);
  if (!tmpfs.ok() || !AttachMount(tmpfs->get(), "/tmp").ok()) return EPERM;
  for (const char* name : {"/tmp/lower", "/tmp/upper", "/tmp/work"}) {
    if (mkdir(name, 0755) != 0) return errno;
  }
  absl::StatusOr<UniqueFd> overlay = MakeMount("overlay", "overlay",
                                               {{"lowerdir", "/tmp/lower"},
                                                {"upperdir", "/tmp/upper"},
                                                {"workdir", "/tmp/work"},
                                                {"userxattr", ""}},
                                               0);
  return overlay.ok() ? 0 : EPERM;
}

// A user namespace to map to, held by a child that waits for its end.
class NamespaceHolder {
 public:
  NamespaceHolder() {
    int fds[2];
    if (pipe2(fds, O_CLOEXEC) != 0) return;
    release_.Reset(fds[1]);
    UniqueFd gate(fds[0]);
    int ready[2];
    if (pipe2(ready, O_CLOEXEC) != 0) return;
    UniqueFd ready_read(ready[0]), ready_write(ready[1]);
    pid_ = fork();
    if (pid_ == 0) {
      release_.Reset();
      const char good = EnterUserNamespace(0) == 0 ? 'y' : 'n';
      char byte = 0;
      if (write(ready_write.get(), &good, 1) == 1) (void)!read(gate.get(), &byte, 1);
      _exit(0);
    }
    ready_write.Reset();
    char answer = 'n';
    if (read(ready_read.get(), &answer, 1) != 1 || answer != 'y') return;
    namespace_.Reset(open(absl::StrCat("/proc/", pid_, "/ns/user").c_str(), O_RDONLY | O_CLOEXEC));
  }
  ~NamespaceHolder() {
    release_.Reset();
    if (pid_ > 0) (void)waitpid(pid_, nullptr, 0);  // it ends at once
  }
  int fd() const { return namespace_.get(); }

 private:
  UniqueFd release_;
  UniqueFd namespace_;
  pid_t pid_ = -1;
};

// An errno in what a wrapped call said of itself; the probe's answer is one.
int ErrnoOf(const absl::Status& status) {
  const auto detail = GetErrorDetail(status);
  int error = 0;
  if (!detail.has_value() || !detail->metadata.contains("errno")) return EINVAL;
  return absl::SimpleAtoi(detail->metadata.at("errno"), &error) ? error : EINVAL;
}

// In a network namespace that goes with the probe.
int GiveEveryPortAway() {
  const absl::StatusOr<uint64_t> hosts = OwnNetworkNamespace();
  if (!hosts.ok()) return ErrnoOf(hosts.status());
  if (unshare(CLONE_NEWNET) != 0) return errno;
  UniqueFd sockets[2];
  for (UniqueFd& fd : sockets) {
    fd.Reset(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    if (!fd.valid() || listen(fd.get(), 1) != 0) return errno;
  }
  const absl::StatusOr<SocketLookup> lookup = SocketLookup::Load();
  if (!lookup.ok()) return ErrnoOf(lookup.status());
  const auto link = lookup->Attach(sockets[0].get(), sockets[1].get(), *hosts);
  return link.ok() ? 0 : ErrnoOf(link.status());
}

}  // namespace

ProbeResult ProbeUserNamespace() {
  return InChild("unshare(CLONE_NEWUSER)", [] { return EnterUserNamespace(0); });
}

ProbeResult ProbeOverlayInUserNamespace() { return InChild("mount overlay", MountOverlay); }

ProbeResult ProbeIdMappedMounts() {
  const NamespaceHolder holder;
  if (holder.fd() < 0) return {false, "no user namespace to map to"};
  absl::StatusOr<UniqueFd> tmpfs = MakeMount("tmpfs", "", {{"size", "1m"}}, 0);
  if (!tmpfs.ok()) return {false, std::string(tmpfs.status().message())};
  mount_attr attributes{};
  attributes.attr_set = MOUNT_ATTR_IDMAP;
  attributes.userns_fd = static_cast<uint64_t>(holder.fd());
  const long result =
      syscall(SYS_mount_setattr, tmpfs->get(), "", AT_EMPTY_PATH, &attributes, sizeof attributes);
  // tmpfs takes id maps since 6.3; EINVAL of an older kernel is about the file system.
  return result == 0 || errno == EINVAL ? Works() : Fails("mount_setattr(IDMAP)", errno);
}

ProbeResult ProbeCloneIntoCgroup() {
  absl::StatusOr<CgroupHost> host = DetectCgroupHost();
  if (!host.ok() || host->v2_mount.empty()) return {false, "no cgroup2 file system is mounted"};
  const std::string path = absl::StrCat(host->v2_mount, "/glovebox-probe-clone-", getpid());
  if (mkdir(path.c_str(), 0755) != 0) return Fails("mkdir", errno);
  UniqueFd directory(open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  int pidfd = -1;
  clone_args args{};
  args.flags = CLONE_INTO_CGROUP | CLONE_PIDFD;
  args.pidfd = reinterpret_cast<uintptr_t>(&pidfd);
  args.exit_signal = SIGCHLD;
  args.cgroup = static_cast<uint64_t>(directory.get());
  const long pid = syscall(SYS_clone3, &args, sizeof args);
  if (pid == 0) _exit(0);
  const int error = pid < 0 ? errno : 0;
  if (pid > 0) {
    UniqueFd close_it(pidfd);
    (void)waitid(static_cast<idtype_t>(P_PIDFD), static_cast<id_t>(pidfd), nullptr, WEXITED);
  }
  (void)rmdir(path.c_str());  // empty: its only process was reaped
  return error == 0 ? Works() : Fails("clone3(CLONE_INTO_CGROUP)", error);
}

ProbeResult ProbePidfd() {
  UniqueFd fd(static_cast<int>(syscall(SYS_pidfd_open, getpid(), 0)));
  if (!fd.valid()) return Fails("pidfd_open", errno);
  if (syscall(SYS_pidfd_send_signal, fd.get(), 0, nullptr, 0) != 0) {
    return Fails("pidfd_send_signal", errno);
  }
  return Works();
}

ProbeResult ProbeSeccompFilter() {
  uint32_t action = SECCOMP_RET_KILL_PROCESS;
  if (syscall(SYS_seccomp, SECCOMP_GET_ACTION_AVAIL, 0, &action) != 0) {
    return Fails("seccomp(SECCOMP_GET_ACTION_AVAIL)", errno);
  }
  return Works();
}

ProbeResult ProbeLoopControl() {
  UniqueFd fd(open("/dev/loop-control", O_RDWR | O_CLOEXEC));
  return fd.valid() ? Works() : Fails("open /dev/loop-control", errno);
}

ProbeResult ProbeSocketLookup() { return InChild("bpf at sk_lookup", GiveEveryPortAway); }

int LandlockAbi() {
  const long abi =
      syscall(SYS_landlock_create_ruleset, nullptr, 0, LANDLOCK_CREATE_RULESET_VERSION);
  return abi < 0 ? 0 : static_cast<int>(abi);
}

}  // namespace glovebox
