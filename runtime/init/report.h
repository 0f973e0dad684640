// The one report of setting up: (step, errno, detail) on the status socket.
#ifndef GLOVEBOX_INIT_REPORT_H_
#define GLOVEBOX_INIT_REPORT_H_

#include "init/setup_step.h"

namespace glovebox {

// Sends the report and ends the process, and with it everything in the sandbox.
[[noreturn]] void FailSetup(SetupStep step, int error, const char* detail);

// A system call's result: below zero is -errno and fails the setup. `detail` names the call and,
// where one matters, its object.
inline long Require(long result, SetupStep step, const char* detail) {
  if (result < 0) FailSetup(step, static_cast<int>(-result), detail);
  return result;
}

// kReady; closes the status socket.
void ReportReady();

}  // namespace glovebox

#endif  // GLOVEBOX_INIT_REPORT_H_
