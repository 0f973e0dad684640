// Why a call on a sandbox cannot be carried out now.
#ifndef GLOVEBOX_SANDBOX_SANDBOX_ERRORS_H_
#define GLOVEBOX_SANDBOX_SANDBOX_ERRORS_H_

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "sandbox/sandbox_spec.h"

namespace glovebox {

// NOT_FOUND, SANDBOX_NOT_FOUND: there is none, or the viewer does not see it.
absl::Status SandboxNotFound(absl::string_view id);
// FAILED_PRECONDITION, SANDBOX_STOPPED: `state` is neither running nor paused. `why` may be "".
absl::Status NotRunning(SandboxState state, absl::string_view why);
// FAILED_PRECONDITION, SANDBOX_PAUSED.
absl::Status SandboxPaused();
// UNAVAILABLE, SHUTTING_DOWN: the daemon, not the sandbox.
absl::Status ShuttingDown();

}  // namespace glovebox

#endif  // GLOVEBOX_SANDBOX_SANDBOX_ERRORS_H_
