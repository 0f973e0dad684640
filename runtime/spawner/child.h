// The first process of a sandbox between clone3 and the execveat of glovebox-init.
#ifndef GLOVEBOX_SPAWNER_CHILD_H_
#define GLOVEBOX_SPAWNER_CHILD_H_

#include "spawner/request.h"

namespace glovebox {

// Joins the cgroups, waits for one byte on `sync_fd` (the id maps and mounts are ready), becomes
// root of its user namespace, places the descriptors of launch_plan.h and executes `init_fd`. A
// failure is one SpawnFailure on `sync_fd`; its end without a message is the success of the exec.
[[noreturn]] void RunChild(const ReceivedRequest& request, int device_fd, int init_fd, int sync_fd);

}  // namespace glovebox

#endif  // GLOVEBOX_SPAWNER_CHILD_H_
