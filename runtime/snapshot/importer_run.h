// Has glovebox-importer (runtime/importer) work on foreign input in a worker sandbox.
#ifndef GLOVEBOX_SNAPSHOT_IMPORTER_RUN_H_
#define GLOVEBOX_SNAPSHOT_IMPORTER_RUN_H_

#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/unique_fd.h"
#include "snapshot/git_import.h"
#include "snapshot/import_source.h"
#include "snapshot/worker_runner.h"

namespace glovebox {

// What imports of trees and images are done with. The collaborators outlive it.
struct ImporterDeps {
  WorkerRunner* runner = nullptr;
  std::shared_ptr<const UniqueFd> program;  // glovebox-importer, O_PATH
  ImportLimits limits;
};

// Where the worker sees its input.
std::string ImporterInput(const ImportSource& source);

// A job that runs the program with these arguments.
WorkerJob ImporterJob(const ImporterDeps& deps, const ImportSource& source,
                      std::vector<std::string> arguments);

// OK when the program succeeded. FAILED_PRECONDITION with reason ARCHIVE_INVALID, with what it said
// of the source; RESOURCE_EXHAUSTED with reason IMPORT_TOO_LARGE; INTERNAL when it failed itself.
absl::Status ImporterFailure(const WorkerResult& result, const ImportLimits& limits,
                             const std::string& path);

}  // namespace glovebox

#endif  // GLOVEBOX_SNAPSHOT_IMPORTER_RUN_H_
