// How a process of ours that reads strangers' bytes gives up what it was started with, before it
// reads the first of them. In this order, while there is one thread; each proves itself; any error
// is the end.
#ifndef GLOVEBOX_LINUX_CONFINEMENT_H_
#define GLOVEBOX_LINUX_CONFINEMENT_H_

#include <sys/types.h>

#include <cstdint>
#include <string>

#include "absl/status/status.h"

namespace glovebox {

enum class WorldNetwork {
  kNone,   // a namespace of its own: nobody to connect to
  kHosts,  // weaker: the host's stays, for who has to connect
};

// An empty read-only root in a mount namespace of its own, called `name`; IPC and host name
// namespaces of its own, and a network one. Sockets that are open stay where they are. Also gives
// up the daemon's protection from the OOM killer.
absl::Status EnterEmptyWorld(const std::string& name, WorldNetwork network);

// No capability in any set, no group but `id`, user `id`, no_new_privs, not dumpable (who has the
// same uid can neither trace this process nor read its memory), limits on descriptors, memory,
// files and processes, and SIGKILL when the thread that started this process ends.
absl::Status GiveUpPrivilege(uid_t id, uint64_t descriptors_max, uint64_t memory_bytes_max);

}  // namespace glovebox

#endif  // GLOVEBOX_LINUX_CONFINEMENT_H_
