// Step landlock: the domain that init and all its commands live in.
#ifndef GLOVEBOX_INIT_LANDLOCK_H_
#define GLOVEBOX_INIT_LANDLOCK_H_

#include "init/plan_reader.h"

namespace glovebox {

// After the last mount, since a subject can make none, and after no_new_privs, which it needs.
// Commands inherit the domain, so it costs them nothing to start, and within it they may signal and
// trace each other. Init keeps one right more than they can use: to read below its own cgroup, of
// which nobody else has a descriptor.
void EnterLandlock(const PlanReader& plan);

}  // namespace glovebox

#endif  // GLOVEBOX_INIT_LANDLOCK_H_
