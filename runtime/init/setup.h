// The straight line from the exec of glovebox-init to "ready".
#ifndef GLOVEBOX_INIT_SETUP_H_
#define GLOVEBOX_INIT_SETUP_H_

#include "init/plan_reader.h"
#include "init/socket_answers.h"

namespace glovebox {

// Every step of setup_step.h with who = 'I' but read_plan, listen and ready, in order. Ends the
// process, and with it the sandbox, at the first that fails.
DiagSockets RunSetup(const PlanReader& plan);

}  // namespace glovebox

#endif  // GLOVEBOX_INIT_SETUP_H_
