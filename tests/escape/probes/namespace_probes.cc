// SR-1, SR-4, SR-5 (set-up side), SR-6: namespaces and mounts.
#include <errno.h>
#include <fcntl.h>
#include <linux/nsfs.h>
#include <linux/sched.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <initializer_list>

#include "tests/escape/probes/probe.h"

namespace {

void Unshare(const char* what, int flag) {
  const pid_t pid = fork();
  if (pid == 0) _exit(unshare(flag) == 0 ? 0 : errno);
  int status = 0;
  waitpid(pid, &status, 0);
  errno = WEXITSTATUS(status);
  Attempt(what, errno == 0 ? 0 : -1);
}

void UnshareUser() { Unshare("user", CLONE_NEWUSER); }

void UnshareOthers() {
  Unshare("mount", CLONE_NEWNS);
  Unshare("pid", CLONE_NEWPID);
  Unshare("net", CLONE_NEWNET);
  Unshare("ipc", CLONE_NEWIPC);
  Unshare("uts", CLONE_NEWUTS);
  Unshare("cgroup", CLONE_NEWCGROUP);
  Unshare("time", CLONE_NEWTIME);
}

void CloneUser() {
  const long pid = syscall(SYS_clone, CLONE_NEWUSER | SIGCHLD, nullptr, nullptr, nullptr, 0);
  if (pid == 0) _exit(0);
  Attempt("clone", pid);
  Control(fork() >= 0, "fork");
}

void Clone3User() {
  clone_args args{};
  args.flags = CLONE_NEWUSER;
  args.exit_signal = SIGCHLD;
  const long pid = syscall(SYS_clone3, &args, sizeof(args));
  if (pid == 0) _exit(0);
  Attempt("clone3", pid);
}

void JoinOwn() {
  for (const char* name : {"mnt", "net", "uts", "ipc", "pid"}) {
    char path[64];
    snprintf(path, sizeof(path), "/proc/self/ns/%s", name);
    const int fd = open(path, O_RDONLY | O_CLOEXEC);
    Control(fd >= 0, path);
    Attempt(name, setns(fd, 0));
    close(fd);
  }
}

void JoinInit() {
  const char* init = Argument("init");
  for (const char* name : {"user", "mnt", "pid", "net"}) {
    char path[64];
    snprintf(path, sizeof(path), "/proc/%s/ns/%s", init != nullptr ? init : "1", name);
    AttemptOpen(path, O_RDONLY);
  }
}

// The namespaces above the own ones are not to be had by way of their descendants.
void Ancestors() {
  for (const char* path : {"/proc/self/ns/user", "/proc/self/ns/pid"}) {
    const int fd = open(path, O_RDONLY | O_CLOEXEC);
    Control(fd >= 0, path);
    Attempt(path, ioctl(fd, NS_GET_PARENT));
    close(fd);
  }
}

void TimeOffsets() { AttemptWrite("/proc/self/timens_offsets", "monotonic 1000 0"); }

void Hostname() {
  Attempt("sethostname", sethostname("owned", 5));
  Attempt("setdomainname", setdomainname("owned", 5));
}

void Mount() {
  Control(mkdir("/tmp/probe-mount", 0755) == 0 || errno == EEXIST, "mkdir");
  const char* point = "/tmp/probe-mount";
  Attempt("tmpfs", mount("none", point, "tmpfs", 0, ""));
  Attempt("bind", mount("/", point, nullptr, MS_BIND, nullptr));
  Attempt("proc", mount("none", point, "proc", 0, ""));
  Attempt("sysfs", mount("none", point, "sysfs", 0, ""));
  Attempt("overlay", mount("none", point, "overlay", 0, "lowerdir=/usr:/etc"));
  Attempt("cgroup", mount("none", point, "cgroup2", 0, ""));
  (void)umount2(point, MNT_DETACH);
}

void Unmount() { Attempt("/proc", umount2("/proc", MNT_DETACH | UMOUNT_NOFOLLOW)); }

void Remount() {
  Attempt("remount", mount(nullptr, "/proc/sys", nullptr, MS_REMOUNT | MS_BIND, nullptr));
  Attempt("shared", mount(nullptr, "/proc", nullptr, MS_SHARED, nullptr));
}

void NewMountCalls() {
  Attempt("fsopen", syscall(SYS_fsopen, "tmpfs", 0));
  Attempt("open_tree", syscall(SYS_open_tree, AT_FDCWD, "/", 1 /* OPEN_TREE_CLONE */));
  Attempt("fspick", syscall(SYS_fspick, AT_FDCWD, "/proc", 0));
  char attr[32] = {};
  Attempt("mount_setattr", syscall(SYS_mount_setattr, AT_FDCWD, "/proc", 0, attr, sizeof(attr)));
}

void ChangeRoot() {
  Attempt("chroot", chroot("/tmp"));
  Attempt("pivot_root", syscall(SYS_pivot_root, "/tmp", "/tmp"));
}

}  // namespace

const Probe kNamespaceProbes[] = {
    {"unshare_user", "SR-4", UnshareUser, "CCCEC"},
    {"unshare_other_namespaces", "SR-4", UnshareOthers, "CCCEC"},
    {"clone_user_namespace", "SR-4", CloneUser, "CCCEC"},
    {"clone3_user_namespace", "SR-4", Clone3User, "CCCEC"},
    {"setns_own", "SR-4", JoinOwn, "CCCEC"},
    {"setns_init", "SR-9", JoinInit, "CCCEC"},
    {"ancestor_namespaces", "SR-1", Ancestors, "CCC-C"},
    {"time_offsets", "SR-1", TimeOffsets, "CCC-C"},
    {"set_hostname", "SR-1", Hostname, "CCCEC"},
    {"mount", "SR-6", Mount, "CCCEC"},
    {"unmount_proc", "SR-6", Unmount, "CCCEC"},
    {"remount", "SR-6", Remount, "CCCEC"},
    {"new_mount_calls", "SR-6", NewMountCalls, "CCCEC"},
    {"change_root", "SR-6", ChangeRoot, "CCCEC"},
    {},
};
