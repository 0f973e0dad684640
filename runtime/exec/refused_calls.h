// From what init counted to what an end says about refused system calls.
#ifndef GLOVEBOX_EXEC_REFUSED_CALLS_H_
#define GLOVEBOX_EXEC_REFUSED_CALLS_H_

#include "exec/exec_spec.h"
#include "init/frames.h"

namespace glovebox {

// Sets refused_calls. Pure; what init says need not make sense: a kind that no policy refuses so is
// left out.
void SetRefusedCalls(const ExecEnd& end, ExecResult* result);

}  // namespace glovebox

#endif  // GLOVEBOX_EXEC_REFUSED_CALLS_H_
