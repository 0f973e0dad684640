// SR-2, SR-3: ids, capabilities, what makes them grow.
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <linux/prctl.h>
#include <linux/securebits.h>
#include <mntent.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
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
    {},
};
