// A tree of 10,001 processes that wait to be killed: this one, 100 children, 99 of each. One byte
// of output when all of them run.
#include <signal.h>

#include "linux/bare_start.h"
#include "linux/raw_syscalls.h"

namespace {

constexpr int kBranches = 100;
constexpr int kLeaves = 99;

long Fork() { return glovebox::raw::Call(__NR_clone, SIGCHLD, 0, 0, 0, 0); }

[[noreturn]] void WaitToBeKilled() {
  while (true) (void)glovebox::raw::Call(__NR_pause);
}

[[noreturn]] void Branch(int ready_fd) {
  for (int i = 0; i < kLeaves; ++i) {
    const long pid = Fork();
    if (pid < 0) glovebox::raw::ExitGroup(2);
    if (pid == 0) WaitToBeKilled();
  }
  (void)glovebox::raw::Write(ready_fd, "", 1);  // a lost byte is seen as a tree that never runs
  WaitToBeKilled();
}

}  // namespace

int BareMain() {
  int pipe_fds[2];
  if (glovebox::raw::Call(__NR_pipe2, &pipe_fds[0], 0) < 0) return 1;
  for (int i = 0; i < kBranches; ++i) {
    const long pid = Fork();
    if (pid < 0) return 2;
    if (pid == 0) Branch(pipe_fds[1]);
  }
  char byte = 0;
  for (int i = 0; i < kBranches; ++i) {
    if (glovebox::raw::Read(pipe_fds[0], &byte, 1) != 1) return 3;
  }
  if (glovebox::raw::Write(1, "\n", 1) != 1) return 4;
  WaitToBeKilled();
}
