// From a tar archive or a directory of the host to a snapshot. A worker sandbox unpacks or copies
// it; the host opens the file or directory and reads nothing of it.
//
// The snapshot holds /workspace, owned by the command user: names as bytes, modes but for set-id
// bits, times of modification, symbolic links as they are, hard links within the tree, holes. What
// cannot be kept is refused (importer/tar_unpack.h, importer/directory_copy.h), except extended
// attributes and owners, which are dropped. A snapshot of this kind is known by its content alone:
// equal trees are one snapshot, whatever they were made from, with the times and the hard links of
// the first of them.
#ifndef GLOVEBOX_SNAPSHOT_TREE_IMPORT_H_
#define GLOVEBOX_SNAPSHOT_TREE_IMPORT_H_

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "snapshot/git_import.h"
#include "snapshot/import_source.h"
#include "snapshot/importer_run.h"
#include "snapshot/snapshot_store.h"
#include "snapshot/worker_runner.h"

namespace glovebox {

struct TreeImportRequest {
  enum class Kind { kArchive, kDirectory };
  Kind kind = Kind::kArchive;
  std::string path;  // absolute
  SourcePolicy allowed = nullptr;
};

// What a worker made below home/agent/workspace becomes a snapshot that is known by its content.
// `made_from` is for people.
absl::StatusOr<SnapshotInfo> CommitTree(SnapshotStore* store, WorkerResult result,
                                        const std::string& made_from,
                                        const ImportProgressCallback& progress);
// Where the worker makes it: the command user can write only in its home.
inline constexpr char kTreeDestination[] = "/home/agent/workspace";

class TreeImporter {
 public:
  // The store outlives the importer.
  TreeImporter(SnapshotStore* store, ImporterDeps deps);
  ~TreeImporter();

  // Thread-safe, blocking. Imports of the same file at the same time are done once while its size
  // and time of modification stay. `progress` may be empty; it is called on this thread. Errors:
  //   INVALID_ARGUMENT     PATH_INVALID; PATH_NOT_SUPPORTED for a file in the place of a directory
  //                        and the other way round
  //   NOT_FOUND            ARCHIVE_NOT_FOUND, SOURCE_NOT_FOUND (a directory)
  //   FAILED_PRECONDITION  ARCHIVE_INVALID, with the entry; CONTENT_REFUSED
  //   RESOURCE_EXHAUSTED   IMPORT_TOO_LARGE
  absl::StatusOr<SnapshotInfo> Import(const TreeImportRequest& request,
                                      const ImportProgressCallback& progress);

  // Imports that wait for another one of the same now.
  int waiting() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace glovebox

#endif  // GLOVEBOX_SNAPSHOT_TREE_IMPORT_H_
