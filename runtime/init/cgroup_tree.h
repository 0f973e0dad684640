// The processes of one exec, by its cgroup v2 directory, which no member can leave.
#ifndef GLOVEBOX_INIT_CGROUP_TREE_H_
#define GLOVEBOX_INIT_CGROUP_TREE_H_

#include <cstdint>

#include "init/exec.h"

namespace glovebox {

// Live processes of the tree; zombies do not count. 0 when the cgroup cannot be read.
uint32_t CountProcesses(const Exec& exec);

// Sends `signal` to each process of the tree, as seen in one reading of cgroup.procs.
void SignalTree(const Exec& exec, int signal);

// SIGKILL to all of the tree at once, forks in flight included (cgroup.kill).
void KillTree(Exec* exec);

}  // namespace glovebox

#endif  // GLOVEBOX_INIT_CGROUP_TREE_H_
