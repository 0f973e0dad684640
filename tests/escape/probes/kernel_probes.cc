// SR-7, SR-13, SR-14: parts of the kernel that a payload has no business with.
#include <errno.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <linux/keyctl.h>
#include <linux/perf_event.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/reboot.h>
#include <sys/resource.h>
#include <sys/shm.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/timex.h>
#include <sys/wait.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

#include <initializer_list>

#include "tests/escape/probes/probe.h"

#ifndef TIOCLINUX
#define TIOCLINUX 0x541C
#endif

namespace {

void IoUring() {
  char params[120] = {};
  Attempt("io_uring_setup", syscall(SYS_io_uring_setup, 4, params));
  Attempt("io_uring_register", syscall(SYS_io_uring_register, -1, 0, nullptr, 0));
}

void Bpf() {
  bpf_attr attr{};
  attr.map_type = BPF_MAP_TYPE_ARRAY;
  attr.key_size = 4;
  attr.value_size = 4;
  attr.max_entries = 1;
  Attempt("map", syscall(SYS_bpf, BPF_MAP_CREATE, &attr, sizeof(attr)));
}

void PerfEvents() {
  perf_event_attr attr{};
  attr.type = PERF_TYPE_SOFTWARE;
  attr.size = sizeof(attr);
  attr.config = PERF_COUNT_SW_CPU_CLOCK;
  Attempt("own", syscall(SYS_perf_event_open, &attr, 0, -1, -1, 0));
  Attempt("host wide", syscall(SYS_perf_event_open, &attr, -1, 0, -1, 0));
}

void Userfaultfd() {
  Attempt("userfaultfd", syscall(SYS_userfaultfd, O_CLOEXEC));
  Attempt("user mode only", syscall(SYS_userfaultfd, O_CLOEXEC | 1));
}

void Keys() {
  Attempt("add_key", syscall(SYS_add_key, "user", "probe", "x", 1, KEY_SPEC_PROCESS_KEYRING));
  Attempt("keyctl", syscall(SYS_keyctl, KEYCTL_GET_KEYRING_ID, KEY_SPEC_SESSION_KEYRING, 1));
  Attempt("request_key", syscall(SYS_request_key, "user", "probe", nullptr, 0));
}

// Bad arguments would be refused anywhere with EINVAL, EFAULT or ENOEXEC: those mean that the call
// was reached.
void Refused(const char* what, long result) {
  if (result < 0 && (errno == EPERM || errno == ENOSYS)) return Attempt(what, result);
  Escaped(what);
}

void Modules() {
  Refused("init_module", syscall(SYS_init_module, nullptr, 0, ""));
  Refused("finit_module", syscall(SYS_finit_module, 0, "", 0));
  Refused("delete_module", syscall(SYS_delete_module, "probe_none", O_NONBLOCK));
}

void ReplaceKernel() {
  Refused("kexec_load", syscall(SYS_kexec_load, 0, 0, nullptr, 0xffff));
  Refused("kexec_file_load", syscall(SYS_kexec_file_load, -1, -1, 0, nullptr, 0));
  Refused("reboot", syscall(SYS_reboot, 1, 2, 3, nullptr));  // wrong magic: never reboots
}

void HostState() {
  Refused("swapon", syscall(SYS_swapon, nullptr, 0));
  Refused("swapoff", syscall(SYS_swapoff, nullptr));
  Refused("acct", syscall(SYS_acct, "/nonexistent"));
  Refused("quotactl", syscall(SYS_quotactl, 0x800002, nullptr, 0, nullptr));
  Refused("syslog", syscall(SYS_syslog, 3, nullptr, -1));
}

void Clocks() {
  timespec when{};
  Control(clock_gettime(CLOCK_REALTIME, &when) == 0, "clock_gettime");  // set to what it is
  Attempt("clock_settime", syscall(SYS_clock_settime, CLOCK_REALTIME, &when));
  timex change{};
  change.modes = ADJ_TICK;
  change.tick = 10'000;  // what it is where nobody changed it
  Attempt("adjtimex", syscall(SYS_adjtimex, &change));
}

void Ports() {
  Refused("iopl", syscall(SYS_iopl, 3));
  Refused("ioperm", syscall(SYS_ioperm, 0x80, 1, 1));
}

void OldTables() {
  char entry[16] = {};
  Attempt("modify_ldt", syscall(SYS_modify_ldt, 1, entry, sizeof(entry)));
  Attempt("read implies exec", personality(READ_IMPLIES_EXEC));
  Attempt("page zero", personality(MMAP_PAGE_ZERO));
  Control(personality(0xffffffff) >= 0, "asking the personality");
}

void ProcessImage() {
  Attempt("PR_SET_MM", prctl(PR_SET_MM, PR_SET_MM_BRK, sbrk(0), 0, 0));
  int policy = 0;
  unsigned long nodes = 1;
  Refused("mbind", syscall(SYS_mbind, nullptr, 0, policy, &nodes, 64, 0));
  Refused("migrate_pages", syscall(SYS_migrate_pages, 0, 64, &nodes, &nodes));
  Attempt("memfd_secret", syscall(SYS_memfd_secret, 0));
}

// getpid by the 32-bit gate; no tier but i386 has it.
void ThirtyTwoBits() {
  long result = 20;
  asm volatile("int $0x80" : "+a"(result) : : "memory");
  if (result > 0) Escaped("int 0x80");
}

void X32() {
  errno = 0;
  Attempt("x32 getpid", syscall(0x40000000 + SYS_getpid));
}

// On a terminal of our own, as if it were the caller's: input that nobody typed.
void TerminalInput() {
  const int master = posix_openpt(O_RDWR | O_NOCTTY);
  Control(master >= 0 && grantpt(master) == 0 && unlockpt(master) == 0, "a terminal");
  char name[64];
  Control(ptsname_r(master, name, sizeof(name)) == 0, "its name");
  const int slave = open(name, O_RDWR);
  Control(slave >= 0 && ioctl(slave, TIOCSCTTY, 0) == 0, "as controlling terminal");
  termios modes;
  Control(tcgetattr(slave, &modes) == 0, "tcgetattr");
  char byte = 'x';
  Attempt("TIOCSTI", ioctl(slave, TIOCSTI, &byte));
  // The kernel looks at the low 32 bits only.
  Attempt("TIOCSTI with high bits", syscall(SYS_ioctl, slave, 0x100000000ul | TIOCSTI, &byte));
}

void ConsoleIoctls() {
  const int master = posix_openpt(O_RDWR | O_NOCTTY);
  Control(master >= 0, "a terminal");
  char request[2] = {3, 0};
  int discipline = 1;
  Refused("TIOCLINUX", ioctl(master, TIOCLINUX, &request));
  Refused("TIOCLINUX with high bits",
          syscall(SYS_ioctl, master, 0x100000000ul | TIOCLINUX, &request));
  Refused("TIOCSETD", ioctl(master, TIOCSETD, &discipline));
  Refused("TIOCCONS", ioctl(master, TIOCCONS));
}

// The host's reserved pool, which may be empty: then only the memfd shows whether it was in reach.
void HugePages() {
  Attempt("memfd", memfd_create("huge", MFD_CLOEXEC | MFD_HUGETLB));
  void* memory = mmap(nullptr, 1 << 21, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB, -1, 0);
  Attempt("mmap", memory == MAP_FAILED ? -1 : 0);
  Attempt("shmget", shmget(IPC_PRIVATE, 1 << 21, IPC_CREAT | SHM_HUGETLB | 0600));
  Control(memfd_create("small", MFD_CLOEXEC) >= 0, "memfd of small pages");
}

void Fanotify() { Attempt("fanotify_init", syscall(SYS_fanotify_init, 0, O_RDONLY)); }

void RealTime() {
  sched_param priority{};
  priority.sched_priority = 1;
  Attempt("SCHED_FIFO", sched_setscheduler(0, SCHED_FIFO, &priority));
}

}  // namespace

const Probe kKernelProbes[] = {
    {"io_uring", "SR-7", IoUring, "CECEC"},
    {"bpf", "SR-7", Bpf, "C-CEC"},
    {"perf_events", "SR-7", PerfEvents, "C-CEC"},
    {"userfaultfd", "SR-7", Userfaultfd, "C-CEC"},
    {"keys", "SR-14", Keys, "CECEC"},
    {"modules", "SR-7", Modules, "CCC-C"},
    {"replace_kernel", "SR-7", ReplaceKernel, "CCCEC"},
    {"host_state", "SR-7", HostState, "C-CEC"},
    {"clocks", "SR-7", Clocks, "CCCEC"},
    {"io_ports", "SR-7", Ports, "CCC-C"},
    {"old_tables", "SR-7", OldTables, "CECEC"},
    {"process_image", "SR-7", ProcessImage, "CECEC"},
    {"thirty_two_bits", "SR-7", ThirtyTwoBits, "CECEC"},
    {"x32", "SR-7", X32, "C-C-C"},
    {"terminal_input", "SR-13", TerminalInput, "C-C-C"},
    {"console_ioctls", "SR-13", ConsoleIoctls, "CECEC"},
    {"huge_pages", "SR-17", HugePages, "CECEC"},
    {"fanotify", "SR-7", Fanotify, "C-CEC"},
    {"real_time", "SR-16", RealTime, "CCC-C"},
    {},
};
