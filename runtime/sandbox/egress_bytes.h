// How much a sandbox has sent and received by its way out: a file beside its init's socket, so that
// it goes on with the next proxy, the next daemon, and after a rollback.
#ifndef GLOVEBOX_SANDBOX_EGRESS_BYTES_H_
#define GLOVEBOX_SANDBOX_EGRESS_BYTES_H_

#include <string>

#include "absl/status/statusor.h"
#include "base/unique_fd.h"

namespace glovebox {

// The file of an EgressBytes at `path`, for EgressGateway::Add; made with zeros when it is not
// there, or shorter. It has its room on the file system: who has it mapped does not meet the end of
// that. Errors of the system calls.
absl::StatusOr<UniqueFd> OpenEgressBytes(const std::string& path);

}  // namespace glovebox

#endif  // GLOVEBOX_SANDBOX_EGRESS_BYTES_H_
