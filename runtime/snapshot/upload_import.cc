#include "snapshot/upload_import.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "base/status.h"
#include "snapshot/blob_file.h"
#include "snapshot/import_progress.h"
#include "snapshot/importer_exit.h"
#include "snapshot/single_flight.h"
#include "snapshot/tree_import.h"

namespace glovebox {
namespace {

using Kind = UploadImportRequest::Kind;

constexpr char kBlobs[] = "/mnt";

// For people, in errors and in the snapshot.
std::string NameOf(const UploadImportRequest& request) {
  return absl::StrCat("uploaded ", request.kind == Kind::kTree ? "tree " : "archive ",
                      request.digest.hash);
}

// What the worker says of a blob is looked at again here.
absl::Status BlobFailure(const UploadImportRequest& request, const WorkerResult& result) {
  if (result.exit_code != kImporterMissing && result.exit_code != kImporterDamaged) {
    return absl::OkStatus();
  }
  const std::optional<BlobDigest> digest = BlobInWords(LastWords(result.stderr_tail));
  if (!digest.has_value()) {
    return absl::InternalError("glovebox-importer did not say which blob it misses");
  }
  if (result.exit_code == kImporterMissing) return BlobNotFound(*digest);
  const absl::Status verified = request.blobs->Verify(request.owner, *digest);
  return verified.ok() ? BlobDamaged(*digest) : verified;
}

}  // namespace

std::optional<BlobDigest> BlobInWords(absl::string_view words) {
  absl::ConsumePrefix(&words, "error: ");
  if (!absl::ConsumePrefix(&words, "blob ")) return std::nullopt;
  return ParseBlobFileName(words.substr(0, words.find(' ')));
}

struct UploadImporter::State {
  SnapshotStore* store = nullptr;
  ImporterDeps deps;
  SingleFlight<SnapshotInfo> flights;

  absl::StatusOr<SnapshotInfo> Run(const UploadImportRequest& request, const BlobLease& lease,
                                   const ImportProgressCallback& progress) const {
    ImportSource source;
    source.path = lease.directory;
    source.is_directory = true;
    source.pinned = lease.pinned;
    ImportProgressParser parser(progress);
    WorkerJob job = ImporterJob(
        deps, source,
        {request.kind == Kind::kTree ? "tree" : "blob-archive", kBlobs,
         BlobFileName(request.digest), kTreeDestination, absl::StrCat(deps.limits.disk_bytes)});
    job.on_stderr = [&](absl::string_view bytes) { parser.Feed(bytes); };
    ASSIGN_OR_RETURN(WorkerResult result, deps.runner->Run(job));
    RETURN_IF_ERROR(BlobFailure(request, result));
    RETURN_IF_ERROR(ImporterFailure(result, deps.limits, NameOf(request)));
    return CommitTree(store, std::move(result), NameOf(request), progress);
  }
};

UploadImporter::UploadImporter(SnapshotStore* store, ImporterDeps deps)
    : state_(std::make_unique<State>()) {
  state_->store = store;
  state_->deps = std::move(deps);
}

UploadImporter::~UploadImporter() = default;

absl::StatusOr<SnapshotInfo> UploadImporter::Import(const UploadImportRequest& request,
                                                    const ImportProgressCallback& progress) {
  ASSIGN_OR_RETURN(const BlobLease lease, request.blobs->Lease(request.owner, request.digest));
  const ImportProgressCallback report = progress ? progress : [](const ImportProgress&) {};
  report({.phase = ImportPhase::kResolving});
  const std::string key = absl::StrCat(request.kind == Kind::kTree ? "tree " : "archive ",
                                       BlobFileName(request.digest), " ", request.owner);
  return state_->flights.Do(key, [&] { return state_->Run(request, lease, report); });
}

}  // namespace glovebox
