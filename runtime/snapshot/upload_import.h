// From what a client uploaded to a snapshot: a tar archive, or a Tree with the blobs of its files
// (proto/glovebox/v1/tree.proto). The tree is what tree_import.h says; a worker sandbox reads it,
// and every byte of it is compared with its digest there. The host reads nothing of it.
//
// The worker sees the directory of the owner's blobs, and of nobody else's.
#ifndef GLOVEBOX_SNAPSHOT_UPLOAD_IMPORT_H_
#define GLOVEBOX_SNAPSHOT_UPLOAD_IMPORT_H_

#include <memory>
#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "snapshot/blob_digest.h"
#include "snapshot/blob_store.h"
#include "snapshot/git_import.h"
#include "snapshot/importer_run.h"
#include "snapshot/snapshot_store.h"

namespace glovebox {

struct UploadImportRequest {
  enum class Kind { kArchive, kTree };
  Kind kind = Kind::kArchive;
  BlobStore* blobs = nullptr;  // outlives the call
  std::string owner;
  BlobDigest digest;  // not the empty one
};

class UploadImporter {
 public:
  // The store outlives the importer.
  UploadImporter(SnapshotStore* store, ImporterDeps deps);
  ~UploadImporter();

  // Thread-safe, blocking. What one owner asks for twice at a time is done once. `progress` may be
  // empty; it is called on this thread. Errors:
  //   NOT_FOUND            BLOB_NOT_FOUND, with the first digest that is missing
  //   DATA_LOSS            STORE_CORRUPT: a blob was damaged, and is removed
  //   FAILED_PRECONDITION  ARCHIVE_INVALID, with the entry; CONTENT_REFUSED
  //   RESOURCE_EXHAUSTED   IMPORT_TOO_LARGE
  absl::StatusOr<SnapshotInfo> Import(const UploadImportRequest& request,
                                      const ImportProgressCallback& progress);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

// Which blob the importer's last words are about; none when they are about something else.
std::optional<BlobDigest> BlobInWords(absl::string_view words);

}  // namespace glovebox

#endif  // GLOVEBOX_SNAPSHOT_UPLOAD_IMPORT_H_
