// Step landlock: the domain that init and all its commands live in.
#ifndef GLOVEBOX_INIT_LANDLOCK_H_
#define GLOVEBOX_INIT_LANDLOCK_H_

#include "base/unique_fd.h"
#include "init/plan_reader.h"

namespace glovebox {

// After the last mount, since a subject can make none, and after no_new_privs, which it needs.
// Commands inherit the domain, so it costs them nothing to start, and within it they may signal and
// trace each other. Init keeps one right more than they can use: to read below its own cgroup, of
// which nobody else has a descriptor.
//
// `queues`: from OpenMessageQueues, which still needs CAP_SYS_ADMIN.
void EnterLandlock(const PlanReader& plan, UniqueFd queues);

// The file system behind mq_open(3), which is mounted nowhere; the domain would refuse it without a
// rule of its own. Not valid when the kernel has none.
UniqueFd OpenMessageQueues(const PlanReader& plan);

}  // namespace glovebox

#endif  // GLOVEBOX_INIT_LANDLOCK_H_
