// The daemon's filter on itself.
#ifndef GLOVEBOX_LAUNCHER_SELF_FILTER_H_
#define GLOVEBOX_LAUNCHER_SELF_FILTER_H_

#include "absl/status/status.h"

namespace glovebox {

// From now on every thread of this process is refused DaemonRefusedCalls() (policy/daemon_policy.h)
// with EPERM, and so is what it starts. Needs CAP_SYS_ADMIN; no_new_privs is not set. INTERNAL with
// reason SELF_FILTER_FAILED.
absl::Status RefuseCallsToSelf();

}  // namespace glovebox

#endif  // GLOVEBOX_LAUNCHER_SELF_FILTER_H_
