// A command's stdin: bytes by offset from the daemon, a window of kStdinWindow, out to the pipe or
// the terminal as it takes them.
#ifndef GLOVEBOX_INIT_EXEC_INPUT_H_
#define GLOVEBOX_INIT_EXEC_INPUT_H_

#include "init/event_set.h"
#include "init/exec.h"

namespace glovebox {

// Maps the buffer. 0 or -errno.
long PrepareInput(Exec* exec);
// Unmaps it.
void ReleaseInput(Exec* exec);

// A repeated range is skipped, a gap or what is beyond the window is not taken.
void TakeInput(Exec* exec, uint32_t slot, const StdinBody& body, const char* bytes, uint32_t size,
               EventSet* events);
// The pipe or terminal may take more.
void WriteInput(Exec* exec, uint32_t slot, EventSet* events);
void CloseInput(Exec* exec, EventSet* events);

}  // namespace glovebox

#endif  // GLOVEBOX_INIT_EXEC_INPUT_H_
