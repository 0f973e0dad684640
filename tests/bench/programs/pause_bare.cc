// Writes one byte, so that it is known to run, and waits to be killed: PID 1 of the sandboxes whose
// end or whose idle cost is measured.
#include "linux/bare_start.h"
#include "linux/raw_syscalls.h"

int BareMain() {
  const char byte = '\n';
  (void)glovebox::raw::Call(__NR_write, 1, &byte, 1);  // nobody may be listening
  while (true) (void)glovebox::raw::Call(__NR_pause);
}
