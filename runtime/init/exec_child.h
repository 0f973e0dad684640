// The child between clone and execve. It shares init's memory and init stands still meanwhile, so
// it makes system calls only, and says where it failed by a word in that memory.
#ifndef GLOVEBOX_INIT_EXEC_CHILD_H_
#define GLOVEBOX_INIT_EXEC_CHILD_H_

#include <cstdint>

#include "init/exec_command.h"
#include "init/plan_reader.h"

namespace glovebox {

struct ChildTask {
  const PlanReader* plan;
  const Command* command;
  int descriptors[3];    // become 0, 1, 2
  int told;              // takes the listener of the command's filter (init/refusals.h)
  int control;           // becomes kShellControlFd; -1: none
  int program;           // is executed, not with `control`; -1: argv[0] says what
  ExecStep failed_step;  // written by the child; kNone: the execve succeeded
  int error;
};

// Does not return. `task` is a ChildTask.
void RunCommandChild(void* task);

}  // namespace glovebox

#endif  // GLOVEBOX_INIT_EXEC_CHILD_H_
