#include "sandbox/sandbox_errors.h"

#include <string>

#include "absl/strings/str_cat.h"
#include "base/escape.h"
#include "base/status.h"

namespace glovebox {

absl::Status SandboxNotFound(absl::string_view id) {
  return DetailedError(absl::StatusCode::kNotFound,
                       absl::StrCat("no sandbox ", EscapeForPeople(id, 40)),
                       {"SANDBOX_NOT_FOUND", {}});
}

absl::Status NotRunning(SandboxState state, absl::string_view why) {
  return DetailedError(
      absl::StatusCode::kFailedPrecondition,
      absl::StrCat("the sandbox is ", state == SandboxState::kStopped ? "stopped" : "being deleted",
                   why.empty() ? "" : ": ", why),
      {"SANDBOX_STOPPED", {{"stop_reason", std::string(why)}}});
}

absl::Status SandboxPaused() {
  return DetailedError(absl::StatusCode::kFailedPrecondition,
                       "the sandbox is paused; resume it first",
                       {"SANDBOX_PAUSED", {{"remedy", "resume the sandbox (glovebox resume)"}}});
}

absl::Status ShuttingDown() {
  return DetailedError(absl::StatusCode::kUnavailable,
                       "the daemon is stopping, the sandbox runs on; connect again",
                       {"SHUTTING_DOWN", {}});
}

}  // namespace glovebox
