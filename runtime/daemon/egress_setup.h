// What the way out of sandboxes is set up with.
#ifndef GLOVEBOX_DAEMON_EGRESS_SETUP_H_
#define GLOVEBOX_DAEMON_EGRESS_SETUP_H_

#include <cstdint>

#include "absl/status/statusor.h"
#include "daemon/config.h"
#include "egress/egress_wire.h"

namespace glovebox {

// `files`: how many descriptors this process and the proxy may have; the proxy gets at most half as
// many, and so many sandboxes and connections as fit. INVALID_ARGUMENT for a name server that is no
// address; what reading /etc/resolv.conf returns, but that there is none.
absl::StatusOr<EgressSetup> MakeEgressSetup(const Config& config, uint64_t files);

}  // namespace glovebox

#endif  // GLOVEBOX_DAEMON_EGRESS_SETUP_H_
