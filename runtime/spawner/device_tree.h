// The device nodes of one sandbox.
#ifndef GLOVEBOX_SPAWNER_DEVICE_TREE_H_
#define GLOVEBOX_SPAWNER_DEVICE_TREE_H_

#include "base/unique_fd.h"
#include "init/setup_step.h"
#include "spawner/failure.h"

namespace glovebox {

// A tmpfs that is not mounted anywhere yet. `size` and `inodes` as in its options.
UniqueFd NewTmpfs(const char* size, const char* inodes, SetupStep step, SpawnFailure* failure);

// A detached, read-only mount of a tmpfs that nobody else has: dev/ with null zero full random
// urandom tty and links, and empty/, which is bound over masked directories. One for all would be a
// channel between sandboxes: locks and inotify watches are of an inode, whoever opened it.
UniqueFd NewDeviceTree(SetupStep step, SpawnFailure* failure);

}  // namespace glovebox

#endif  // GLOVEBOX_SPAWNER_DEVICE_TREE_H_
