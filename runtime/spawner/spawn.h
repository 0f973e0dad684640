// From a checked request to a running glovebox-init, or to nothing at all.
#ifndef GLOVEBOX_SPAWNER_SPAWN_H_
#define GLOVEBOX_SPAWNER_SPAWN_H_

#include "base/unique_fd.h"
#include "spawner/failure.h"
#include "spawner/request.h"

namespace glovebox {

struct SpawnedInit {
  int host_pid = 0;
  UniqueFd pidfd;
};

// `devices` as NewDeviceTree makes them. On failure `failure` is filled and no process is left.
SpawnedInit Spawn(const ReceivedRequest& request, int init_fd, UniqueFd devices,
                  SpawnFailure* failure);

}  // namespace glovebox

#endif  // GLOVEBOX_SPAWNER_SPAWN_H_
