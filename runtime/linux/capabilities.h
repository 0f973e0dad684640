// Capability sets of this process (capabilities(7)).
#ifndef GLOVEBOX_LINUX_CAPABILITIES_H_
#define GLOVEBOX_LINUX_CAPABILITIES_H_

#include <vector>

#include "absl/status/status.h"

namespace glovebox {

// Drops every capability but `keep` from the bounding, permitted, effective, inheritable and
// ambient sets of the calling thread, and reads them back. What of `keep` is not permitted stays
// away: it is no error here. Call it while there is one thread. PERMISSION_DENIED without
// CAP_SETPCAP.
absl::Status KeepOnlyCapabilities(const std::vector<int>& keep);

}  // namespace glovebox

#endif  // GLOVEBOX_LINUX_CAPABILITIES_H_
