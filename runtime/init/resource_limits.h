// The plan's resource limits: on init, which hands most of them down, and on a command, for those
// that would starve or end init itself.
#ifndef GLOVEBOX_INIT_RESOURCE_LIMITS_H_
#define GLOVEBOX_INIT_RESOURCE_LIMITS_H_

#include "init/launch_plan.h"

namespace glovebox {

// Step resource_limits; ends the process on failure.
void LimitInit(const LaunchPlan& plan);

// In the child of a command. 0 or -errno.
long LimitCommand(const LaunchPlan& plan);

}  // namespace glovebox

#endif  // GLOVEBOX_INIT_RESOURCE_LIMITS_H_
