// From a git repository on the host, or elsewhere, to a snapshot. Git runs in a worker sandbox
// only; the host never opens an object, a ref or a configuration file of the repository.
//
// The snapshot holds /workspace: the files of the commit, owned by the command user, and .git with
// all branches (as local branches), tags and their history; no remote, no hooks, no reflog, no path
// of the host. HEAD is the branch that was asked for, or detached. Every file's mtime is the
// commit's time and the index is two seconds younger, so `git status` hashes nothing. Submodules
// are empty directories and LFS pointers stay pointers. Objects are copied as they are: damage in
// history that the checkout does not touch is found when something reads it. A shallow history has
// the asked commit alone and no other branch or tag; without history there is no .git.
//
// When the store has a snapshot of the same repository, only what is new is fetched and checked out
// over it, and kept as a layer over it (not of bundles). What is in the result is the same but for
// the times of unchanged files, which are those of the snapshot below, the number of packs, and
// objects that nothing refers to. Where that cannot be done it is imported whole.
//
// One elsewhere is its URL: the worker reaches the URL's host and port and nothing else, and a
// commit is found there by what the server lists and by what it gives for an id.
#ifndef GLOVEBOX_SNAPSHOT_GIT_IMPORT_H_
#define GLOVEBOX_SNAPSHOT_GIT_IMPORT_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "snapshot/import_source.h"
#include "snapshot/snapshot_store.h"
#include "snapshot/worker_runner.h"

namespace glovebox {

// Over the network, with the repository's URL as the path. What is there without a secret is of
// everybody who can name the URL; what comes with one is of its owner, and of nobody else.
struct RemoteRepository {
  WorkerReach reach;
  std::string protocol;  // as git calls it
};

struct ImportRequest {
  std::string path;      // absolute: a repository's directory (worktree or bare) or a bundle file
  std::string revision;  // branch, tag, short or full commit id; "": HEAD
  SourcePolicy allowed = nullptr;
  History history = History::kFull;
  // Asked before anything is made when the store has nothing of the repository yet; its error is
  // the import's. May be empty.
  std::function<absl::Status()> room = nullptr;
  std::optional<RemoteRepository> remote = std::nullopt;
  // Whether the caller has gone. When all have who wait for an import, it ends: CANCELLED. Empty:
  // the caller stays.
  std::function<bool()> gone = nullptr;
};

enum class ImportPhase { kResolving, kCopying, kCheckingOut, kIndexing, kUnpacking, kSealing };

// Counts are as far as known; 0 when a phase has none.
struct ImportProgress {
  ImportPhase phase = ImportPhase::kResolving;
  uint64_t objects = 0;
  uint64_t bytes = 0;
  uint64_t bytes_total = 0;
  uint64_t files = 0;
};
using ImportProgressCallback = std::function<void(const ImportProgress&)>;

absl::string_view ImportPhaseName(ImportPhase phase);  // "resolving", "copying", ...

struct ImportLimits {
  uint64_t disk_bytes = uint64_t{16} << 30;
  uint64_t disk_inodes = 2'000'000;
  uint64_t memory_bytes = uint64_t{2} << 30;
  absl::Duration wall_limit = absl::Minutes(30);
};

class GitImporter {
 public:
  // Both outlive the importer.
  GitImporter(SnapshotStore* store, WorkerRunner* runner, ImportLimits limits);
  ~GitImporter();

  // Thread-safe, blocking. Imports of the same repository and revision at the same time are done
  // once; the others wait and get the same answer. `progress` may be empty; it is called on this
  // thread. A full commit id that is in the store already needs no worker. Errors:
  //   INVALID_ARGUMENT     path not absolute or not printable; REVISION_INVALID
  //   NOT_FOUND            REPOSITORY_NOT_FOUND, COMMIT_NOT_FOUND
  //   FAILED_PRECONDITION  REPOSITORY_INVALID (with git's last words), REPOSITORY_UNSUPPORTED
  //                        (linked worktree, alternates, SHA-256 objects), HOST_TOOL_MISSING
  //   RESOURCE_EXHAUSTED   IMPORT_TOO_LARGE: it did not fit into the limits
  //   ABORTED              REPOSITORY_REPLACED: another repository appeared at the path meanwhile
  // and of one elsewhere those of RemoteFailure (git_remote_failure.h), and CANCELLED.
  absl::StatusOr<SnapshotInfo> Import(const ImportRequest& request,
                                      const ImportProgressCallback& progress);

  // Imports that wait for another one of the same now.
  int waiting() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace glovebox

#endif  // GLOVEBOX_SNAPSHOT_GIT_IMPORT_H_
