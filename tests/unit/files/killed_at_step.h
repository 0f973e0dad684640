// Work that is killed at each of its steps in turn.
#ifndef GLOVEBOX_TESTS_UNIT_FILES_KILLED_AT_STEP_H_
#define GLOVEBOX_TESTS_UNIT_FILES_KILLED_AT_STEP_H_

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

namespace glovebox {

// Runs `work(at_step)` in a process that kills itself at step `kill_at`. Whether it lived to the
// end.
template <typename Work>
bool Survives(int kill_at, const Work& work) {
  const pid_t child = ::fork();
  if (child == 0) {
    int step = 0;
    work([&step, kill_at] {
      if (step++ == kill_at) ::raise(SIGKILL);
    });
    ::_exit(0);
  }
  int status = 0;
  EXPECT_EQ(::waitpid(child, &status, 0), child);
  return WIFEXITED(status);
}

}  // namespace glovebox

#endif  // GLOVEBOX_TESTS_UNIT_FILES_KILLED_AT_STEP_H_
