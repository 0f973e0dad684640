// What the spawner makes once, before the first request: its own small world.
#ifndef GLOVEBOX_SPAWNER_SPAWNER_ROOT_H_
#define GLOVEBOX_SPAWNER_SPAWNER_ROOT_H_

#include "spawner/failure.h"

namespace glovebox {

// Leaves the host's mount namespace for one of three mounts (/, /proc, /dev), in which every
// sandbox starts as a copy:
//   /proc        the host's pid namespace: id maps are written there, and a sandbox may mount its
//                own proc only where a whole one is visible
//   /dev         the spawner's own nodes; each sandbox gets others (device_tree.h)
//   /stage/l0..  mount points for layers, /stage/u for the disk, /stage/r for the new root,
//   /stage/d
//                for the sandbox's nodes, /stage/b for what is shown through an overlay of its own
// Also puts /dev/null on 0, 1 and 2.
bool EnterSpawnerRoot(SpawnFailure* failure);

// A daemon that is safe from the OOM killer starts the spawner, which is not to hand that down:
// gives up a score below 0, once and for all where it still has CAP_SYS_RESOURCE. Before
// ReducePrivilege, which takes that.
bool GiveUpOomProtection(SpawnFailure* failure);

// Drops every capability that making a sandbox does not need, from bounding, permitted and
// effective, and proves it; then no_new_privs.
bool ReducePrivilege(SpawnFailure* failure);

// All signals to their defaults and unblocked; SIGCHLD ignored, so that no init becomes a zombie.
bool ResetSignals(SpawnFailure* failure);

}  // namespace glovebox

#endif  // GLOVEBOX_SPAWNER_SPAWNER_ROOT_H_
