#include "snapshot/importer_run.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "snapshot/import_progress.h"
#include "snapshot/importer_exit.h"
#include "snapshot/worker_failure.h"

namespace glovebox {
namespace {

constexpr char kProgram[] = "/opt/glovebox-importer";

}  // namespace

std::string ImporterInput(const ImportSource& source) {
  return source.is_directory ? "/mnt" : "/mnt/source";
}

WorkerJob ImporterJob(const ImporterDeps& deps, const ImportSource& source,
                      std::vector<std::string> arguments) {
  WorkerJob job;
  job.arguments = {kProgram};
  for (std::string& argument : arguments) job.arguments.push_back(std::move(argument));
  job.environment = {"PATH=/usr/bin:/bin"};
  job.binds = {{source.path, ImporterInput(source), source.pinned},
               {"glovebox-importer", kProgram, deps.program}};
  job.disk_bytes = deps.limits.disk_bytes;
  job.disk_inodes = deps.limits.disk_inodes;
  job.memory_bytes = deps.limits.memory_bytes;
  job.wall_limit = deps.limits.wall_limit;
  return job;
}

absl::Status ImporterFailure(const WorkerResult& result, const ImportLimits& limits,
                             const std::string& path) {
  if (result.exit_code == kImporterDone) return absl::OkStatus();
  RETURN_IF_ERROR(LimitFailure(result, limits, path));
  const std::string words = LastWords(result.stderr_tail);
  const std::string message = absl::StrCat(path, ": ", words);
  switch (result.exit_code) {
    case kImporterRefused:
      return DetailedError(absl::StatusCode::kFailedPrecondition, message,
                           {"ARCHIVE_INVALID", {{"path", path}}});
    case kImporterTooLarge:
      return DetailedError(
          absl::StatusCode::kResourceExhausted, message,
          {"IMPORT_TOO_LARGE", {{"path", path}, {"disk_bytes", absl::StrCat(limits.disk_bytes)}}});
    default:
      return absl::InternalError(
          absl::StrCat("glovebox-importer ended with ", result.exit_code, " on ", message));
  }
}

}  // namespace glovebox
