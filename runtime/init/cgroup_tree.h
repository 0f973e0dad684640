// The processes of one exec, by its cgroup v2 directory, which no member can leave.
#ifndef GLOVEBOX_INIT_CGROUP_TREE_H_
#define GLOVEBOX_INIT_CGROUP_TREE_H_

#include <cstdint>

#include "init/exec.h"

namespace glovebox {

// Live processes of the tree; zombies do not count. 0 when the cgroup cannot be read.
uint32_t CountProcesses(const Exec& exec);

// Whether one lives; cheap also for thousands.
bool TreeLives(const Exec& exec);

// CPU time of the whole tree, of the living and the dead (cpu.stat). Leaves both alone when it
// cannot be read.
void ReadCpuTime(const Exec& exec, uint64_t* user_us, uint64_t* system_us);

// Sends `signal`, which is not SIGKILL, once to each process that is in the tree now, and to those
// forked meanwhile: cgroup.procs is read again until a reading shows nobody new, at most
// kSignalRounds times. A tree that forks faster than that is not reached as a whole; a process that
// gets the number of one that had the signal and died meanwhile is passed over. Only KillTree has
// no exceptions.
inline constexpr int kSignalRounds = 16;
void SignalTree(const Exec& exec, int signal);
// Likewise to those of the process group `group` that are in the tree; false when there was none.
bool SignalGroup(const Exec& exec, int group, int signal);
void SignalAllButLeader(const Exec& exec, int signal);

// SIGKILL to all but the leader, again and again until no other one is found; false when there were
// new ones in each of a bounded number of rounds.
bool KillAllButLeader(const Exec& exec);

// SIGKILL to all of the tree at once, forks in flight included (cgroup.kill).
void KillTree(Exec* exec);

}  // namespace glovebox

#endif  // GLOVEBOX_INIT_CGROUP_TREE_H_
