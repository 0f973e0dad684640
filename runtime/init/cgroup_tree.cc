#include "init/cgroup_tree.h"

#include <fcntl.h>
#include <signal.h>

#include "linux/raw_syscalls.h"

namespace glovebox {
namespace {

// Calls visit(pid) for each line. Pids are those of init's pid namespace; a process outside of it
// would be shown as 0.
template <typename Visitor>
void ForEachProcess(const Exec& exec, Visitor visit) {
  UniqueFd fd(
      static_cast<int>(raw::OpenAt(exec.cgroup.get(), "cgroup.procs", O_RDONLY | O_CLOEXEC)));
  if (!fd.valid()) return;
  char buffer[4096];
  int pid = 0;
  for (;;) {
    long size = raw::Read(fd.get(), buffer, sizeof(buffer));
    if (size <= 0) return;
    for (long i = 0; i < size; ++i) {
      if (buffer[i] >= '0' && buffer[i] <= '9') {
        pid = pid * 10 + (buffer[i] - '0');
      } else {
        visit(pid);
        pid = 0;
      }
    }
  }
}

}  // namespace

uint32_t CountProcesses(const Exec& exec) {
  uint32_t count = 0;
  ForEachProcess(exec, [&count](int) { ++count; });
  return count;
}

void SignalTree(const Exec& exec, int signal) {
  ForEachProcess(exec, [signal](int pid) {
    if (pid > 1) (void)raw::Call(__NR_kill, pid, signal);  // gone since the reading: fine
  });
}

void KillTree(Exec* exec) {
  exec->tree_killed = true;
  if (raw::Write(exec->cgroup_kill.get(), "1", 1) == 1) return;
  // A descriptor that does not kill leaves what can be found by name.
  (void)raw::Call(__NR_kill, -exec->pid, SIGKILL);
  SignalTree(*exec, SIGKILL);
}

}  // namespace glovebox
