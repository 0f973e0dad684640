// SR-9, SR-12, SR-14: init, other processes, what is shared by name.
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <mqueue.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/shm.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include <initializer_list>

#include "tests/escape/probes/probe.h"

namespace {

// Outside of a sandbox the parent stands for init, which the test does not want to meddle with.
pid_t Init() {
  const char* argument = Argument("init");
  return argument != nullptr ? atoi(argument) : 1;
}

const char* OfInit(const char* name) {
  static char path[64];
  snprintf(path, sizeof(path), "/proc/%d/%s", Init(), name);
  return path;
}

void TraceInit() {
  Attempt("seize", ptrace(PTRACE_SEIZE, Init(), nullptr, nullptr));
  (void)ptrace(PTRACE_DETACH, Init(), nullptr, nullptr);
}

void ReadInit() {
  for (const char* name : {"environ", "mem", "maps", "auxv", "stack", "syscall", "fd", "map_files",
                           "io", "personality"}) {
    AttemptOpen(OfInit(name), O_RDONLY);
  }
  char target[256];
  for (const char* name : {"exe", "root", "cwd", "fd/3", "fd/4"}) {
    Attempt(name, readlink(OfInit(name), target, sizeof(target)));
  }
}

// CVE-2019-5736: the runtime's own program, by way of its process.
void WriteInitProgram() {
  AttemptOpen(OfInit("exe"), O_WRONLY);
  AttemptOpen(OfInit("mem"), O_RDWR);
}

void InitMemory() {
  char byte = 0;
  iovec ours{&byte, 1};
  iovec theirs{reinterpret_cast<void*>(0x400000), 1};
  Attempt("process_vm_readv", syscall(SYS_process_vm_readv, Init(), &ours, 1, &theirs, 1, 0));
}

void InitDescriptors() {
  const long pidfd = syscall(SYS_pidfd_open, Init(), 0);
  if (pidfd < 0) return Attempt("pidfd_open", pidfd);
  for (int fd = 0; fd < 8; ++fd) Attempt("pidfd_getfd", syscall(SYS_pidfd_getfd, pidfd, fd, 0));
}

void SignalInit() {
  for (int number : {SIGKILL, SIGSTOP, SIGTERM, SIGSEGV, SIGUSR1, SIGCONT}) {
    Attempt("kill", kill(Init(), number));
  }
  Control(kill(getpid(), 0) == 0, "kill oneself with 0");
}

// Its limits and where it runs, which need no more than the same id.
void SteerInit() {
  rlimit limit{};
  Attempt("prlimit", prlimit(Init(), RLIMIT_NOFILE, nullptr, &limit));
  cpu_set_t cpus;
  Control(sched_getaffinity(0, sizeof(cpus), &cpus) == 0, "its own CPUs");
  Attempt("sched_setaffinity", sched_setaffinity(Init(), sizeof(cpus), &cpus));
}

void OthersInProc() {
  DIR* proc = opendir("/proc");
  Control(proc != nullptr, "/proc");
  int own = 0;
  while (dirent* entry = proc != nullptr ? readdir(proc) : nullptr) {
    if (!isdigit(static_cast<unsigned char>(entry->d_name[0]))) continue;
    struct stat status;
    char path[300];
    snprintf(path, sizeof(path), "/proc/%s", entry->d_name);
    if (stat(path, &status) != 0) continue;
    if (status.st_uid == getuid()) {
      ++own;
    } else {
      Escaped(path);
    }
  }
  Control(own > 0, "own processes");
}

// A System V segment that the host made under this key.
void HostSharedMemory() {
  const char* key = Argument("shm_key");
  Control(key != nullptr, "argument shm_key");
  Attempt("shmget", shmget(key != nullptr ? atoi(key) : 1, 0, 0));
  const int id = shmget(IPC_PRIVATE, 4096, IPC_CREAT | 0600);
  Control(id >= 0 && shmctl(id, IPC_RMID, nullptr) == 0, "an own segment");
}

void HostQueue() {
  const char* name = Argument("queue");
  Control(name != nullptr, "argument queue");
  Attempt("mq_open", mq_open(name != nullptr ? name : "/none", O_RDONLY | O_CLOEXEC));
}

void HostShmFile() {
  const char* name = Argument("shm_file");
  Control(name != nullptr, "argument shm_file");
  Attempt("shm_open", shm_open(name != nullptr ? name : "/none", O_RDONLY, 0));
}

void Reparent() {
  // A grandchild whose parents die belongs to the sandbox's init and to nobody above.
  int ends[2];
  Control(pipe2(ends, O_CLOEXEC) == 0, "pipe");
  sigset_t orphaned;
  sigemptyset(&orphaned);
  sigaddset(&orphaned, SIGUSR1);
  sigprocmask(SIG_BLOCK, &orphaned, nullptr);
  if (fork() == 0) {
    const pid_t middle = getpid();
    if (fork() == 0) {
      // The kernel sends it when the new parent is in place, but only for a death that is to come.
      prctl(PR_SET_PDEATHSIG, SIGUSR1);
      int signal;
      if (getppid() == middle) sigwait(&orphaned, &signal);
      pid_t parent = getppid();
      (void)!write(ends[1], &parent, sizeof(parent));
      _exit(0);
    }
    _exit(0);
  }
  pid_t parent = -1;
  Control(read(ends[0], &parent, sizeof(parent)) == sizeof(parent), "the orphan's word");
  if (parent == 0) Escaped("a parent of another pid namespace");
}

void Namespaces() {
  // Process 1 is init, not a process of the host: it is not to be seen, or it is ours.
  char name[64] = {};
  const int fd = open("/proc/1/comm", O_RDONLY | O_CLOEXEC);
  if (fd >= 0) Escaped("/proc/1/comm");
  (void)name;
}

}  // namespace

const Probe kProcessProbes[] = {
    {"trace_init", "SR-9", TraceInit, "CCCEC"},
    {"read_init", "SR-9", ReadInit, "CCCEC"},
    {"write_init_program", "SR-9", WriteInitProgram, "CCCEC"},
    {"init_memory", "SR-9", InitMemory, "CCC-C"},
    {"init_descriptors", "SR-9", InitDescriptors, "CCCEC"},
    {"steer_init", "SR-9", SteerInit, "CCCEE"},
    {"signal_init", "SR-9", SignalInit, "CCC--"},
    {"others_in_proc", "SR-12", OthersInProc, "CCC--"},
    {"init_in_proc", "SR-12", Namespaces, "CCCEC"},
    {"host_shared_memory", "SR-14", HostSharedMemory, "CCCEC"},
    {"host_queue", "SR-14", HostQueue, "CCCEC"},
    {"host_shm_file", "SR-14", HostShmFile, "CCCEC"},
    {"orphans", "SR-1", Reparent, "CCC-C"},
    {},
};
