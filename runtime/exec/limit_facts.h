// From what init counted to what an end says about the sandbox's limits.
#ifndef GLOVEBOX_EXEC_LIMIT_FACTS_H_
#define GLOVEBOX_EXEC_LIMIT_FACTS_H_

#include "exec/exec_spec.h"
#include "init/frames.h"

namespace glovebox {

// Sets oom, pids and disk. result->cause is set already. Pure; init's numbers need not make sense.
void SetLimitFacts(const ExecEnd& end, const ExecLimitValues& limits, ExecResult* result);

}  // namespace glovebox

#endif  // GLOVEBOX_EXEC_LIMIT_FACTS_H_
