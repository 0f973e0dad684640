// The calls about sandboxes that several verbs make.
#ifndef GLOVEBOX_TOOLS_SANDBOX_CALLS_H_
#define GLOVEBOX_TOOLS_SANDBOX_CALLS_H_

#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "glovebox/v1/exec.pb.h"
#include "glovebox/v1/sandbox.pb.h"
#include "tools/glovebox/calls.h"
#include "tools/glovebox/connection.h"
#include "tools/glovebox/create_options.h"

namespace glovebox {

// The request for `options`, with a request id of its own and the snapshot's whole digest.
absl::StatusOr<v1::CreateSandboxRequest> PrepareCreate(Connection& connection,
                                                       const SandboxOptions& options);
absl::StatusOr<v1::Sandbox> CreateSandbox(Connection& connection, CallControl* control,
                                          const v1::CreateSandboxRequest& request);
absl::StatusOr<v1::Sandbox> GetSandbox(Connection& connection, const std::string& id);

// Returns when nothing of it is left.
absl::Status DeleteSandbox(Connection& connection, CallControl* control, const std::string& id,
                           bool allow_missing);

absl::StatusOr<v1::Exec> GetExec(Connection& connection, const std::string& sandbox_id,
                                 const std::string& exec_id);

// Unique among the execs that this program starts.
std::string NewExecId();

}  // namespace glovebox

#endif  // GLOVEBOX_TOOLS_SANDBOX_CALLS_H_
