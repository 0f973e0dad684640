// SR-6, SR-8, SR-10, SR-12, SR-15: files, descriptors, /proc, /dev.
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <initializer_list>

#include "tests/escape/probes/probe.h"

extern char** environ;

namespace {

void DeviceNodes() {
  Attempt("null", mknod("/tmp/probe-null", S_IFCHR | 0666, makedev(1, 3)));
  Attempt("mem", mknod("/tmp/probe-mem", S_IFCHR | 0666, makedev(1, 1)));
  Attempt("sda", mknod("/tmp/probe-sda", S_IFBLK | 0666, makedev(8, 0)));
  Control(mkfifo("/tmp/probe-fifo", 0600) == 0, "mkfifo");
  for (const char* name : {"null", "mem", "sda", "fifo"}) {
    char path[64];
    snprintf(path, sizeof(path), "/tmp/probe-%s", name);
    unlink(path);
  }
}

void HostDevices() {
  for (const char* path : {"/dev/mem", "/dev/kmem", "/dev/port", "/dev/kmsg", "/dev/loop-control",
                           "/dev/loop0", "/dev/sda", "/dev/vda", "/dev/fuse", "/dev/kvm",
                           "/dev/net/tun", "/dev/vhost-vsock", "/dev/uinput", "/dev/console",
                           "/dev/tty1", "/dev/rtc0", "/dev/mapper/control", "/dev/userfaultfd"}) {
    AttemptOpen(path, O_RDONLY);
  }
  const int fd = open("/dev/urandom", O_RDONLY | O_CLOEXEC);
  Control(fd >= 0, "/dev/urandom");
  close(fd);
}

void MakeInDev() {
  Attempt("file", open("/dev/probe", O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
  Attempt("directory", mkdir("/dev/probe-d", 0700));
  Attempt("link", symlink("/", "/dev/probe-l"));
  Attempt("remove", unlink("/dev/null"));
  Attempt("rename", rename("/dev/null", "/dev/zero2"));
}

void SysAndCgroups() {
  for (const char* path : {"/sys/kernel", "/sys/fs/cgroup", "/sys/class", "/sys/firmware",
                           "/sys/kernel/debug", "/sys/fs/cgroup/memory", "/sys/power/state"}) {
    AttemptOpen(path, O_RDONLY);
  }
  AttemptWrite("/sys/fs/cgroup/pids.max", "max");
}

void ProcSysWrites() {
  for (const char* path :
       {"/proc/sys/kernel/core_pattern", "/proc/sys/kernel/panic", "/proc/sys/kernel/hostname",
        "/proc/sys/kernel/pid_max", "/proc/sys/kernel/sysrq", "/proc/sys/kernel/modprobe",
        "/proc/sys/kernel/randomize_va_space", "/proc/sys/vm/drop_caches",
        "/proc/sys/vm/overcommit_memory", "/proc/sys/fs/file-max", "/proc/sys/fs/mqueue/msg_max",
        "/proc/sys/fs/suid_dumpable", "/proc/sys/net/ipv4/ip_forward",
        "/proc/sys/user/max_user_namespaces", "/proc/sys/fs/inotify/max_user_watches"}) {
    AttemptOpen(path, O_WRONLY);
  }
  Control(access("/proc/sys/kernel/ostype", R_OK) == 0, "/proc/sys/kernel/ostype");
}

// A mask shows an empty file or directory; what a kernel does not have is absent.
void ProcMasks() {
  for (const char* name : {"acpi",
                           "asound",
                           "bus",
                           "cmdline",
                           "config.gz",
                           "driver",
                           "fs",
                           "interrupts",
                           "iomem",
                           "ioports",
                           "irq",
                           "kallsyms",
                           "kcore",
                           "key-users",
                           "keys",
                           "kmsg",
                           "kpagecgroup",
                           "kpagecount",
                           "kpageflags",
                           "latency_stats",
                           "modules",
                           "pagetypeinfo",
                           "partitions",
                           "pressure",
                           "sched_debug",
                           "scsi",
                           "slabinfo",
                           "swaps",
                           "sysrq-trigger",
                           "timer_list",
                           "timer_stats",
                           "tty/driver",
                           "vmallocinfo",
                           "sys/fs/binfmt_misc"}) {
    char path[64];
    snprintf(path, sizeof(path), "/proc/%s", name);
    struct stat status;
    if (stat(path, &status) != 0) continue;
    if (S_ISDIR(status.st_mode)) {
      DIR* directory = opendir(path);
      if (directory == nullptr) continue;
      int entries = 0;
      while (readdir(directory) != nullptr) ++entries;
      closedir(directory);
      if (entries > 2) Escaped(path);
    } else if (!S_ISCHR(status.st_mode) || status.st_rdev != makedev(1, 3)) {
      Escaped(path);
    }
  }
}

void WriteImage() {
  for (const char* path : {"/usr/bin/env", "/usr/bin/sh", "/etc/passwd", "/etc/ld.so.cache",
                           "/etc/hosts", "/usr/lib/os-release"}) {
    AttemptOpen(path, O_WRONLY);
    Attempt(path, truncate(path, 0));
  }
  Attempt("create", open("/usr/bin/probe", O_CREAT | O_WRONLY | O_CLOEXEC, 0755));
  Attempt("in /", open("/probe", O_CREAT | O_WRONLY | O_CLOEXEC, 0644));
  Attempt("rename /etc", rename("/etc", "/etc2"));
  Attempt("rename /proc", rename("/proc", "/tmp/proc2"));
  Attempt("chmod", chmod("/usr/bin/env", 0777));
}

// Only Landlock refuses these: modes and mounts leave a process its own /proc.
void WriteOwnProc() {
  AttemptOpen("/proc/self/mem", O_WRONLY);
  AttemptOpen("/proc/self/oom_score_adj", O_WRONLY);
  AttemptOpen("/proc/self/coredump_filter", O_WRONLY);
  AttemptOpen("/proc/self/comm", O_WRONLY);
  const int fd = open("/proc/self/comm", O_RDONLY | O_CLOEXEC);
  Control(fd >= 0, "/proc/self/comm");
}

// A node's ioctls beyond those of terminals.
void DeviceIoctls() {
  const int fd = open("/dev/urandom", O_RDONLY | O_CLOEXEC);
  Control(fd >= 0, "/dev/urandom");
  int bits = 0;
  Attempt("RNDGETENTCNT", syscall(SYS_ioctl, fd, 0x80045200, &bits));
}

void SharedPages() {
  const int fd = open("/usr/bin/env", O_RDONLY | O_CLOEXEC);
  Control(fd >= 0, "/usr/bin/env");
  void* shared = mmap(nullptr, 4096, PROT_READ, MAP_SHARED, fd, 0);
  Control(shared != MAP_FAILED, "a shared mapping to read");
  Attempt("mprotect", mprotect(shared, 4096, PROT_READ | PROT_WRITE));
  Attempt("mmap",
          mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0) == MAP_FAILED ? -1 : 0);
  // CVE-2022-0847 (Dirty Pipe): a pipe buffer that still belongs to the file is written into.
  const unsigned char before = static_cast<const unsigned char*>(shared)[1];
  int ends[2];
  Control(pipe2(ends, O_CLOEXEC) == 0, "pipe");
  static char fill[65536];
  for (int i = 0; i < 1; ++i) {
    Control(write(ends[1], fill, sizeof(fill)) == sizeof(fill), "fill the pipe");
    Control(read(ends[0], fill, sizeof(fill)) == sizeof(fill), "drain the pipe");
  }
  off_t offset = 0;
  Control(splice(fd, &offset, ends[1], nullptr, 1, 0) == 1, "splice");
  Control(write(ends[1], "\xff", 1) == 1, "write");
  if (static_cast<const volatile unsigned char*>(shared)[1] != before) Escaped("dirty pipe");
}

void Handles() {
  struct {
    struct file_handle header;
    unsigned char bytes[128];
  } handle{};
  handle.header.handle_bytes = sizeof(handle.bytes);
  int mount_id = 0;
  // Asking for a handle is harmless, and not granted in every tier.
  (void)name_to_handle_at(AT_FDCWD, "/tmp", &handle.header, &mount_id, 0);
  const int root = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  Control(root >= 0, "/");
  Attempt("open_by_handle_at", open_by_handle_at(root, &handle.header, O_RDONLY));
  // shocker.c: inode 2 of the file system below.
  handle.header.handle_bytes = 8;
  handle.header.handle_type = 1;
  memcpy(handle.header.f_handle, "\x02\0\0\0\0\0\0\0", 8);
  Attempt("inode 2", open_by_handle_at(root, &handle.header, O_RDONLY));
}

void Descriptors() {
  for (int fd = 3; fd < 1024; ++fd) {
    if (fcntl(fd, F_GETFD) < 0) continue;
    char name[32];
    snprintf(name, sizeof(name), "descriptor %d", fd);
    Escaped(name);
  }
  for (int fd = 0; fd < 3; ++fd) {
    struct stat status;
    if (fstat(fd, &status) != 0) continue;
    if (S_ISDIR(status.st_mode) || S_ISSOCK(status.st_mode)) Escaped("0 to 2: kind");
    if (S_ISREG(status.st_mode) && (fcntl(fd, F_GETFL) & O_ACCMODE) == O_RDWR) {
      Escaped("0 to 2: a file to read and write");
    }
  }
}

void AboveTheRoot() {
  struct stat root;
  struct stat above;
  Control(stat("/", &root) == 0, "stat /");
  Control(chdir("/") == 0, "chdir /");
  Control(stat("../../../../..", &above) == 0, "stat ..");
  if (root.st_ino != above.st_ino || root.st_dev != above.st_dev) Escaped("..");
  char cwd[4096];
  Control(getcwd(cwd, sizeof(cwd)) != nullptr && strcmp(cwd, "/") == 0, "getcwd");
  for (const char* path :
       {"/proc/1/root/etc", "/proc/1/cwd", "/proc/self/fd/7", "/proc/self/fd/10", "/proc/1/fd/3"}) {
    Attempt(path, chdir(path));
  }
  const char* host_path = Argument("host_path");
  if (host_path != nullptr) AttemptOpen(host_path, O_RDONLY);
  char below[4200];
  snprintf(below, sizeof(below), "/proc/self/root%s", host_path != nullptr ? host_path : "/none");
  AttemptOpen(below, O_RDONLY);
}

void HostPathsInMounts() {
  const char* host_path = Argument("mount_path");  // where the daemon has things mounted
  Control(host_path != nullptr, "argument mount_path");
  for (const char* name : {"/proc/self/mountinfo", "/proc/self/mounts", "/proc/self/mountstats",
                           "/proc/self/cgroup", "/proc/self/maps"}) {
    FILE* file = fopen(name, "re");
    Control(file != nullptr, name);
    char line[8192];
    while (file != nullptr && fgets(line, sizeof(line), file) != nullptr) {
      if (host_path != nullptr && strstr(line, host_path) != nullptr) Escaped(line);
      if (strstr(line, "/var/lib/glovebox") != nullptr) Escaped(line);
    }
    if (file != nullptr) fclose(file);
  }
}

void Secrets() {
  const char* secret = Argument("secret");  // a name in the daemon's environment
  Control(secret != nullptr, "argument secret");
  for (char** variable = environ; *variable != nullptr; ++variable) {
    if (secret != nullptr && strstr(*variable, secret) != nullptr) Escaped(*variable);
  }
  AttemptOpen("/proc/1/environ", O_RDONLY);
  for (const char* path :
       {"/etc/shadow", "/root/.ssh", "/root/.bashrc", "/etc/ssh/ssh_host_rsa_key", "/etc/sudoers",
        "/var/lib/glovebox", "/run/glovebox"}) {
    AttemptOpen(path, O_RDONLY);
  }
}

void HardLinks() {
  Attempt("of the image", link("/usr/bin/env", "/tmp/probe-link"));
  Attempt("of /etc", link("/etc/passwd", "/home/agent/probe-link"));
  Attempt("of /proc", link("/proc/self/status", "/tmp/probe-link2"));
  Attempt("of an O_PATH",
          linkat(AT_FDCWD, "/proc/self/exe", AT_FDCWD, "/etc/probe-link3", AT_SYMLINK_FOLLOW));
}

void CoreDumps() {
  Control(chdir("/tmp") == 0, "chdir /tmp");
  const pid_t pid = fork();
  if (pid == 0) abort();
  usleep(0);
  int status = 0;
  Control(syscall(SYS_wait4, pid, &status, 0, nullptr) == pid, "wait");
  for (const char* name : {"/tmp/core", "/core", "/tmp/core.1"}) AttemptOpen(name, O_RDONLY);
}

}  // namespace

const Probe kFileProbes[] = {
    {"device_nodes", "SR-6", DeviceNodes, "CCCEC"},
    {"host_devices", "SR-6", HostDevices, "CCCEC"},
    {"make_in_dev", "SR-6", MakeInDev, "CCC-C"},
    {"sys_and_cgroups", "SR-6", SysAndCgroups, "CCCEC"},
    {"proc_sys_writes", "SR-12", ProcSysWrites, "CCCEC"},
    {"proc_masks", "SR-12", ProcMasks, "CCCEC"},
    {"write_image", "SR-6", WriteImage, "CCC-E"},
    {"write_own_proc", "SR-15", WriteOwnProc, "CCEEE"},
    {"device_ioctls", "SR-15", DeviceIoctls, "CCCEC"},
    {"shared_pages", "SR-11", SharedPages, "CCC-C"},
    {"file_handles", "SR-6", Handles, "CCC-C"},
    {"descriptors", "SR-8", Descriptors, "CCCEC"},
    {"above_the_root", "SR-6", AboveTheRoot, "CCCEC"},
    {"host_paths_in_mounts", "SR-6", HostPathsInMounts, "CCCEC"},
    {"secrets", "SR-9", Secrets, "CCCE-"},
    {"hard_links", "SR-6", HardLinks, "CCC-E"},
    {"core_dumps", "SR-12", CoreDumps, "CCC-C"},
    {},
};
