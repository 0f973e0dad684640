// Whether this process is root of the host, and not merely of a user namespace.
#ifndef GLOVEBOX_LINUX_HOST_ROOT_H_
#define GLOVEBOX_LINUX_HOST_ROOT_H_

#include "absl/status/status.h"
#include "absl/strings/string_view.h"

namespace glovebox {

// Whether `uid_map`, the text of /proc/PID/uid_map, is that of the initial user namespace, where
// each id is itself (user_namespaces(7)). Takes any text.
bool IsInitialUidMap(absl::string_view uid_map);

// FAILED_PRECONDITION, with what root is needed for.
absl::Status CheckHostRoot();

}  // namespace glovebox

#endif  // GLOVEBOX_LINUX_HOST_ROOT_H_
