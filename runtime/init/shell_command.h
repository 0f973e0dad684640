// The commands of a persistent shell: taken from the daemon, given to the shell, their statuses
// taken back, their start and end recorded at their places among the output, their limits held.
//
// The shell (exec/shell_program.h) has one end of a stream socket, init the other. Init passes on
// the bytes that the daemon made and takes back lines of up to three digits. What is not such a
// line ends the shell: nothing else writes there than the shell's own process and what that forks
// without executing anything.
#ifndef GLOVEBOX_INIT_SHELL_COMMAND_H_
#define GLOVEBOX_INIT_SHELL_COMMAND_H_

#include <cstdint>

#include "init/event_set.h"
#include "init/exec.h"

namespace glovebox {

// Makes the control socket; `theirs` is for the child. 0 or -errno.
long OpenShell(Exec* exec, uint32_t slot, UniqueFd* theirs, EventSet* events);

// kShellCommand. False when it breaks the rules.
bool TakeShellCommand(Exec* exec, const ShellCommandBody& body, int memfd);

void OnShellEvent(Exec* exec, uint32_t ready, bool connected, EventSet* events);

// Takes what the shell said.
void ReadShell(Exec* exec, bool connected, EventSet* events);

// Records what is owed, as far as there is room.
void AdvanceShell(Exec* exec, bool connected, EventSet* events);

// Carries out the step of shell.deadline_ns, which has passed.
void RunShellDeadline(Exec* exec, int64_t now);

// The exec ends: so does the command that runs, as exec->end says. After all output.
void CloseShell(Exec* exec, EventSet* events);

}  // namespace glovebox

#endif  // GLOVEBOX_INIT_SHELL_COMMAND_H_
