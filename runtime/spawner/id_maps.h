// User namespaces and the mounts that are shown through them.
#ifndef GLOVEBOX_SPAWNER_ID_MAPS_H_
#define GLOVEBOX_SPAWNER_ID_MAPS_H_

#include "base/unique_fd.h"
#include "spawner/failure.h"
#include "spawner/request.h"

namespace glovebox {

// /proc/<pid> of a child, proved by its pidfd to be that child and no later holder of the number.
UniqueFd OpenProcess(int pid, int pidfd, SpawnFailure* failure);

// One line each of uid_map and gid_map: inner ids to host ids.
struct IdLine {
  uint64_t inner;
  uint64_t host;
  uint64_t count;
};
bool WriteIdMaps(int process_fd, const IdLine& uids, const IdLine& gids, SpawnFailure* failure);

// Gives every detached mount of the request its attributes and, as told, its id mapping.
// `process_fd` is /proc/<pid> of the sandbox's first process.
bool HandleMounts(const ReceivedRequest& request, int process_fd, SpawnFailure* failure);

}  // namespace glovebox

#endif  // GLOVEBOX_SPAWNER_ID_MAPS_H_
