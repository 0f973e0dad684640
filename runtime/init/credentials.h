// Capabilities: what init keeps, and what a command is left with. Every drop is read back.
#ifndef GLOVEBOX_INIT_CREDENTIALS_H_
#define GLOVEBOX_INIT_CREDENTIALS_H_

#include <cstdint>

#include "init/plan_reader.h"

namespace glovebox {

// Steps drop_bounding, drop_capabilities, no_new_privs, not_dumpable. Init keeps SETUID and SETGID
// (to become the command's user), KILL (to signal it afterwards), SETPCAP (to empty a command's
// bounding set) and, with root_inside, what commands of uid 0 get.
void DropBounding(const LaunchPlan& plan);
void DropCapabilities(const LaunchPlan& plan);
void SetNoNewPrivs();
void SetNotDumpable();

// In the child of a command, before its ids change: the bounding set, which is what init kept of
// it, down to `kept`. 0 or -errno.
long LimitCommandBounding(const LaunchPlan& plan, uint64_t kept);

// In the child, after its ids have changed: effective and permitted exactly `kept`, inheritable and
// ambient empty, read back. 0 or -errno.
long SetCommandCapabilities(uint64_t kept);

}  // namespace glovebox

#endif  // GLOVEBOX_INIT_CREDENTIALS_H_
