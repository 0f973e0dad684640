// Why a repository could not be fetched over the network.
#ifndef GLOVEBOX_SNAPSHOT_GIT_REMOTE_FAILURE_H_
#define GLOVEBOX_SNAPSHOT_GIT_REMOTE_FAILURE_H_

#include <string>

#include "absl/status/status.h"
#include "snapshot/worker_runner.h"

namespace glovebox {

// Of a script that ended with an error (git_script.h). What was refused to the worker counts before
// what git says of it: the server has a say in that.
//   NOT_FOUND            REPOSITORY_NOT_FOUND: not there, or only for who has a password;
//                        COMMIT_NOT_FOUND
//   PERMISSION_DENIED    PRIVATE_RANGE_NOT_ALLOWED
//   FAILED_PRECONDITION  REMOTE_UNREACHABLE, REMOTE_NOT_TRUSTED (its certificate),
//                        REMOTE_REDIRECTED (to where the import may not go),
//                        REPOSITORY_UNSUPPORTED, REPOSITORY_INVALID, HOST_TOOL_MISSING
//   RESOURCE_EXHAUSTED   IMPORT_TOO_LARGE
absl::Status RemoteFailure(const WorkerResult& result, const std::string& url,
                           const WorkerReach& reach, const std::string& revision);

}  // namespace glovebox

#endif  // GLOVEBOX_SNAPSHOT_GIT_REMOTE_FAILURE_H_
