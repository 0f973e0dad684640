// Why a worker did not succeed, as far as that is the same for git and tar.
#ifndef GLOVEBOX_SNAPSHOT_WORKER_FAILURE_H_
#define GLOVEBOX_SNAPSHOT_WORKER_FAILURE_H_

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "snapshot/git_import.h"
#include "snapshot/worker_runner.h"

namespace glovebox {

// RESOURCE_EXHAUSTED with reason IMPORT_TOO_LARGE when the worker was ended by a limit or ran out
// of disk; OK when it was not that.
absl::Status LimitFailure(const WorkerResult& result, const ImportLimits& limits,
                          absl::string_view source);

// FAILED_PRECONDITION with reason HOST_TOOL_MISSING.
absl::Status HostToolMissing(absl::string_view tool);

}  // namespace glovebox

#endif  // GLOVEBOX_SNAPSHOT_WORKER_FAILURE_H_
