// SR-2, SR-3: ids, capabilities, what makes them grow.
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <linux/fs.h>
#include <linux/prctl.h>
#include <linux/securebits.h>
#include <mntent.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/xattr.h>
#include <time.h>
#include <unistd.h>

#include <initializer_list>

#include "tests/escape/probes/probe.h"

namespace {

void BecomeRoot() {
  Control(getuid() == geteuid(), "one uid");
  Attempt("setuid", setuid(0));
  Attempt("setresuid", setresuid(0, 0, 0));
  Attempt("setgid", setgid(0));
  const gid_t group = 0;
  Attempt("setgroups", setgroups(1, &group));
  // Tells the ids before, not an error.
  if (syscall(SYS_setfsuid, 0) != 0 && syscall(SYS_setfsuid, -1) == 0) Escaped("setfsuid");
}

void RaiseCapabilities() {
  __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
  __user_cap_data_struct data[2];
  memset(data, 0xff, sizeof(data));
  Attempt("capset all", syscall(SYS_capset, &header, data));
  Control(syscall(SYS_capget, &header, data) == 0, "capget");
  data[0].inheritable |= 1u << CAP_SYS_ADMIN;
  Attempt("capset inheritable", syscall(SYS_capset, &header, data));
  Attempt("ambient", prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, CAP_SYS_ADMIN, 0, 0));
}

void AnyCapability() {
  FILE* file = fopen("/proc/self/status", "re");
  Control(file != nullptr, "/proc/self/status");
  if (file == nullptr) return;
  char line[256];
  int sets = 0;
  while (fgets(line, sizeof(line), file) != nullptr) {
    unsigned long long bits = 0;
    if (sscanf(line, "Cap%*3s:\t%llx", &bits) != 1) continue;
    ++sets;
    if (bits != 0) Escaped(line);
  }
  fclose(file);
  Control(sets == 5, "five sets");
  for (int capability = 0; prctl(PR_CAPBSET_READ, capability, 0, 0, 0) >= 0; ++capability) {
    if (prctl(PR_CAPBSET_READ, capability, 0, 0, 0) == 1) Escaped("bounding set");
  }
}

void Securebits() {
  const int bits = prctl(PR_GET_SECUREBITS, 0, 0, 0, 0);
  constexpr int kNeeded = SECBIT_NOROOT | SECBIT_NOROOT_LOCKED | SECBIT_NO_SETUID_FIXUP_LOCKED |
                          SECBIT_KEEP_CAPS_LOCKED | SECBIT_NO_CAP_AMBIENT_RAISE |
                          SECBIT_NO_CAP_AMBIENT_RAISE_LOCKED;
  if ((bits & kNeeded) != kNeeded) Escaped("securebits are not locked");
  if ((bits & (SECBIT_NO_SETUID_FIXUP | SECBIT_KEEP_CAPS)) != 0) Escaped("securebits keep rights");
  Attempt("keep_caps", prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0));
  Attempt("securebits", prctl(PR_SET_SECUREBITS, 0, 0, 0, 0));
}

void NoNewPrivileges() {
  if (prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) != 1) Escaped("no_new_privs is off");
  Attempt("switch off", prctl(PR_SET_NO_NEW_PRIVS, 0, 0, 0, 0));
}

// A set-id file of the image has no effect: no mount lets it.
void SetIdFiles() {
  FILE* mounts = setmntent("/proc/self/mounts", "re");
  Control(mounts != nullptr, "mounts");
  int seen = 0;
  while (mntent* mount = mounts != nullptr ? getmntent(mounts) : nullptr) {
    struct statvfs status;
    if (statvfs(mount->mnt_dir, &status) != 0) continue;
    ++seen;
    // Of /dev the nodes are the point: it has neither set-id files nor a way to make one.
    if (strcmp(mount->mnt_dir, "/dev") == 0) continue;
    if ((status.f_flag & ST_NOSUID) == 0) Escaped(mount->mnt_dir);
  }
  if (mounts != nullptr) endmntent(mounts);
  Control(seen > 3, "several mounts");
}

// No id of an account of the host, root's least of all, is any of the sandbox's.
void HostIds(const char* name) {
  constexpr unsigned kAccountsEnd = 65536;
  char text[64];
  snprintf(text, sizeof(text), "/proc/self/%s", name);
  FILE* map = fopen(text, "re");
  Control(map != nullptr, text);
  unsigned inside = 0;
  unsigned outside = 0;
  int lines = 0;
  snprintf(text, sizeof(text), "%s: ids of the host's accounts", name);
  for (; map != nullptr && fscanf(map, "%u %u %*u", &inside, &outside) == 2; ++lines) {
    if (outside < kAccountsEnd) Escaped(text);
  }
  if (map != nullptr) fclose(map);
  Control(lines > 0, "an id map");
}

void IdMaps() {
  AttemptWrite("/proc/self/uid_map", "0 0 1");
  AttemptWrite("/proc/self/gid_map", "0 0 1");
  AttemptWrite("/proc/self/projid_map", "0 0 1");
  AttemptWrite("/proc/self/setgroups", "allow");
  HostIds("uid_map");
  HostIds("gid_map");
}

void GiveFilesAway() {
  const int fd = open("/tmp/probe-chown", O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
  Control(fd >= 0, "a file in /tmp");
  Attempt("chown root", fchown(fd, 0, 0));
  Attempt("chown other", fchown(fd, 1001, 1001));
  Control(fchown(fd, getuid(), getgid()) == 0, "chown to oneself");
  close(fd);
  unlink("/tmp/probe-chown");
}

void RaiseLimits() {
  for (int resource : {RLIMIT_NOFILE, RLIMIT_MEMLOCK, RLIMIT_MSGQUEUE, RLIMIT_SIGPENDING,
                       RLIMIT_NPROC, RLIMIT_CORE, RLIMIT_FSIZE, RLIMIT_NICE, RLIMIT_RTPRIO}) {
    rlimit now;
    Control(getrlimit(static_cast<__rlimit_resource_t>(resource), &now) == 0, "getrlimit");
    char name[32];
    snprintf(name, sizeof(name), "rlimit %d", resource);
    if (now.rlim_max == RLIM_INFINITY) {
      Escaped(name);
      continue;
    }
    now.rlim_max += 1;
    Attempt(name, setrlimit(static_cast<__rlimit_resource_t>(resource), &now));
  }
  Attempt("nice", setpriority(PRIO_PROCESS, 0, -5));
  AttemptWrite("/proc/self/oom_score_adj", "-1000");
}

int OwnFile(const char* path) {
  const int fd = open(path, O_CREAT | O_RDWR | O_CLOEXEC, 0700);
  Control(fd >= 0, path);
  return fd;
}

// Capabilities of a file, and the attributes that only a mounter sees.
void PrivilegedAttributes() {
  const int fd = OwnFile("/tmp/probe-xattr");
  const vfs_cap_data capability{VFS_CAP_REVISION_2 | VFS_CAP_FLAGS_EFFECTIVE, {{~0u, 0}, {0, 0}}};
  Attempt("security.capability",
          fsetxattr(fd, "security.capability", &capability, sizeof(capability), 0));
  Attempt("trusted", fsetxattr(fd, "trusted.overlay.opaque", "y", 1, 0));
  close(fd);
  unlink("/tmp/probe-xattr");
}

void FilesystemIoctls() {
  const int fd = OwnFile("/tmp/probe-flags");
  int flags = FS_IMMUTABLE_FL;
  Attempt("immutable", ioctl(fd, FS_IOC_SETFLAGS, &flags));
  flags = 0;
  (void)ioctl(fd, FS_IOC_SETFLAGS, &flags);
  close(fd);
  unlink("/tmp/probe-flags");
  if (Argument("init") != nullptr) return;  // outside the next ones would stop the host
  for (const char* path : {"/", "/home/agent", "/tmp"}) {
    const int directory = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    Control(directory >= 0, path);
    Attempt("freeze", ioctl(directory, FIFREEZE, 0));
    fstrim_range range{0, ~0ull, 0};
    Attempt("trim", ioctl(directory, FITRIM, &range));
    close(directory);
  }
}

void PrivilegedScheduling() {
  constexpr int kRealTimeClass = 1 << 13;  // IOPRIO_CLASS_RT
  Attempt("ioprio of real time", syscall(SYS_ioprio_set, 1 /* WHO_PROCESS */, 0, kRealTimeClass));
  timer_t timer;
  sigevent none{};
  none.sigev_notify = SIGEV_NONE;
  Attempt("a timer that wakes the host", timer_create(CLOCK_BOOTTIME_ALARM, &none, &timer));
  Control(timer_create(CLOCK_MONOTONIC, &none, &timer) == 0, "a timer");
}

// Who sends, as the receiver of a unix socket is told.
void Forge(const char* what, const ucred& as) {
  int ends[2];
  Control(socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0, ends) == 0, "socketpair");
  char control[CMSG_SPACE(sizeof(ucred))] = {};
  char byte = 'x';
  iovec part{&byte, 1};
  msghdr message{};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  message.msg_control = control;
  message.msg_controllen = sizeof(control);
  cmsghdr* header = CMSG_FIRSTHDR(&message);
  header->cmsg_level = SOL_SOCKET;
  header->cmsg_type = SCM_CREDENTIALS;
  header->cmsg_len = CMSG_LEN(sizeof(ucred));
  memcpy(CMSG_DATA(header), &as, sizeof(as));
  Attempt(what, sendmsg(ends[0], &message, 0));
  const ucred own{getpid(), getuid(), getgid()};
  memcpy(CMSG_DATA(header), &own, sizeof(own));
  Control(sendmsg(ends[0], &message, 0) == 1, "its own");
  close(ends[0]);
  close(ends[1]);
}

void ForgedCredentials() { Forge("as process 1", {1, getuid(), getgid()}); }

void SocketPrivileges() {
  const int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  Control(fd >= 0, "socket");
  const int on = 1;
  Attempt("SO_MARK", setsockopt(fd, SOL_SOCKET, SO_MARK, &on, sizeof(on)));
  Attempt("SO_SNDBUFFORCE", setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &on, sizeof(on)));
  Attempt("SO_RCVBUFFORCE", setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &on, sizeof(on)));
  Attempt("IP_TRANSPARENT", setsockopt(fd, SOL_IP, IP_TRANSPARENT, &on, sizeof(on)));
  Control(setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &on, sizeof(on)) == 0, "SO_SNDBUF");
  close(fd);
}

}  // namespace

const Probe kPrivilegeProbes[] = {
    {"become_root", "SR-2", BecomeRoot, "CCCEE"},
    {"raise_capabilities", "SR-3", RaiseCapabilities, "CCCEC"},
    {"any_capability", "SR-3", AnyCapability, "CCCEE"},
    {"securebits", "SR-3", Securebits, "CCCE-"},
    {"no_new_privileges", "SR-3", NoNewPrivileges, "CCCEC"},
    {"set_id_files", "SR-3", SetIdFiles, "CCCEC"},
    {"id_maps", "SR-2", IdMaps, "CCCEC"},
    {"give_files_away", "SR-2", GiveFilesAway, "CCCEE"},
    {"raise_limits", "SR-17", RaiseLimits, "CCCEC"},
    {"privileged_attributes", "SR-3", PrivilegedAttributes, "CCCEC"},
    {"filesystem_ioctls", "SR-6", FilesystemIoctls, "CCCEC"},
    {"privileged_scheduling", "SR-16", PrivilegedScheduling, "CCCEC"},
    {"forged_credentials", "SR-2", ForgedCredentials, "CCCEC"},
    {"socket_privileges", "SR-5", SocketPrivileges, "CCCEC"},
    {},
};
