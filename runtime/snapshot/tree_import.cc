#include "snapshot/tree_import.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <cerrno>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/sha256.h"
#include "base/status.h"
#include "snapshot/import_progress.h"
#include "snapshot/single_flight.h"
#include "snapshot/worker_tree.h"

namespace glovebox {
namespace {

using Kind = TreeImportRequest::Kind;

// The source key of every snapshot that is known by its content alone.
std::string ContentKey() {
  Sha256 key;
  key.UpdateField("glovebox tree");
  return key.FinishHex();
}

absl::StatusOr<ImportSource> Identify(const TreeImportRequest& request) {
  const bool directory = request.kind == Kind::kDirectory;
  ASSIGN_OR_RETURN(
      ImportSource source,
      IdentifySource(request.path, directory ? "SOURCE_NOT_FOUND" : "ARCHIVE_NOT_FOUND",
                     request.allowed));
  if (source.is_directory == directory) return source;
  return DetailedError(absl::StatusCode::kInvalidArgument,
                       absl::StrCat(request.path, directory ? " is a file; import it as an archive"
                                                            : " is a directory; import it as one"),
                       {"PATH_NOT_SUPPORTED", {{"path", request.path}}});
}

// The same for two imports that would read the same bytes.
absl::StatusOr<std::string> FlightKey(const ImportSource& source) {
  struct stat status {};
  if (::fstat(source.pinned->get(), &status) != 0) return ErrnoError(errno, "fstat of the source");
  return absl::StrCat(source.key, " ", status.st_size, " ", status.st_mtim.tv_sec, " ",
                      status.st_mtim.tv_nsec);
}

}  // namespace

absl::StatusOr<SnapshotInfo> CommitTree(SnapshotStore* store, WorkerResult result,
                                        const std::string& made_from,
                                        const ImportProgressCallback& progress) {
  progress({.phase = ImportPhase::kSealing});
  RETURN_IF_ERROR(KeepWorkerTree(*result.disk, "home/agent/workspace", "workspace"));
  SnapshotSource origin;
  origin.source = made_from;
  origin.source_key = ContentKey();
  return store->Commit(std::move(result.disk), origin);
}

struct TreeImporter::State {
  SnapshotStore* store = nullptr;
  ImporterDeps deps;
  SingleFlight<SnapshotInfo> flights;

  absl::StatusOr<SnapshotInfo> Run(const TreeImportRequest& request, const ImportSource& source,
                                   const ImportProgressCallback& progress) const {
    ImportProgressParser parser(progress);
    WorkerJob job = ImporterJob(
        deps, source,
        {request.kind == Kind::kDirectory ? "directory" : "archive", ImporterInput(source),
         kTreeDestination, absl::StrCat(deps.limits.disk_bytes)});
    job.on_stderr = [&](absl::string_view bytes) { parser.Feed(bytes); };
    ASSIGN_OR_RETURN(WorkerResult result, deps.runner->Run(job));
    RETURN_IF_ERROR(ImporterFailure(result, deps.limits, source.path));
    return CommitTree(store, std::move(result), request.path, progress);
  }
};

TreeImporter::TreeImporter(SnapshotStore* store, ImporterDeps deps)
    : state_(std::make_unique<State>()) {
  state_->store = store;
  state_->deps = std::move(deps);
}

TreeImporter::~TreeImporter() = default;

int TreeImporter::waiting() const { return state_->flights.waiting(); }

absl::StatusOr<SnapshotInfo> TreeImporter::Import(const TreeImportRequest& request,
                                                  const ImportProgressCallback& progress) {
  ASSIGN_OR_RETURN(const ImportSource source, Identify(request));
  const ImportProgressCallback report = progress ? progress : [](const ImportProgress&) {};
  report({.phase = ImportPhase::kResolving});
  // What a directory holds by now is not known without reading it.
  if (source.is_directory) return state_->Run(request, source, report);
  ASSIGN_OR_RETURN(const std::string key, FlightKey(source));
  return state_->flights.Do(key, [&] { return state_->Run(request, source, report); });
}

}  // namespace glovebox
