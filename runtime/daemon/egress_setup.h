// What the way out of sandboxes is set up with.
#ifndef GLOVEBOX_DAEMON_EGRESS_SETUP_H_
#define GLOVEBOX_DAEMON_EGRESS_SETUP_H_

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "daemon/config.h"
#include "egress/egress_wire.h"
#include "sandbox/sandbox_way_out.h"

namespace glovebox {

// `files`: how many descriptors this process and the proxy may have; the proxy gets at most half as
// many, and so many sandboxes and connections as fit. INVALID_ARGUMENT for a name server that is no
// address; what reading /etc/resolv.conf returns, but that there is none.
absl::StatusOr<EgressSetup> MakeEgressSetup(const Config& config, uint64_t files);

// What origins are held to where TLS is opened: the PEM of `egress.origin_roots`, or of the first
// of the places that distributions have it at; "" when the host has none. FAILED_PRECONDITION,
// CONFIG_INVALID, for a file that was named and cannot be read.
absl::StatusOr<std::string> ReadOriginRoots(const Config& config);

// What sandboxes with a way out are shown as their roots: those of the host, and the authority. The
// paths of the files, in a tmpfs at `directory`: a mount tells who looks at it the path within its
// file system, and a sandbox is to see nothing of the host's. Sandboxes that are there keep theirs.
absl::StatusOr<EgressRoots> ShowSandboxRoots(const std::string& directory, absl::string_view roots,
                                             absl::string_view authority_pem);

}  // namespace glovebox

#endif  // GLOVEBOX_DAEMON_EGRESS_SETUP_H_
