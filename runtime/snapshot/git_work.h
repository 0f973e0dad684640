// Commits and exports, by git in worker sandboxes. The host opens no object, ref or configuration
// file of any repository; what comes back is a file on the worker's disk and a few checked words.
#ifndef GLOVEBOX_SNAPSHOT_GIT_WORK_H_
#define GLOVEBOX_SNAPSHOT_GIT_WORK_H_

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "base/unique_fd.h"
#include "snapshot/disk.h"
#include "snapshot/layer.h"
#include "snapshot/snapshot_record.h"
#include "snapshot/worker_runner.h"

namespace glovebox {

// Limits of a worker for this.
inline constexpr uint64_t kGitWorkDiskBytes = uint64_t{4} << 30;
inline constexpr uint64_t kGitWorkMemoryBytes = uint64_t{1} << 30;

// What git check-ref-format takes as "refs/heads/<branch>", at most 200 bytes of printable UTF-8,
// and not what looks like an object name. INVALID_ARGUMENT with reason INVALID_FIELD, field branch.
absl::Status CheckBranchName(absl::string_view branch);

// The repository that a sandbox was made of.
struct GitBase {
  std::vector<Layer> layers;  // uppermost first: what the worker sees as /workspace
  std::string commit;         // 40 lower-case hex digits
  History history = History::kFull;
};

struct CommitOrder {
  GitBase base;
  std::string input;  // a directory of the daemon's own, with what the commit script takes
  std::string branch;
  std::string tip;  // "": the branch is not kept yet
  std::string message, name, email;
  int64_t unix_seconds = 0;
  std::vector<std::string> paths;
};

// A file that git wrote; open as long as the worker's disk is there.
struct GitOutput {
  std::unique_ptr<Disk> disk;
  UniqueFd file;
  uint64_t bytes = 0;
};

struct CommitMade {
  std::string commit;
  bool is_new = true;  // false: the tip is this very commit already
  uint64_t files = 0, lines_added = 0, lines_removed = 0;
  GitOutput bundle;  // refs/heads/<branch>, without what the base has
};

struct ExportOrder {
  GitBase base;        // over it, when `input` is "", what the sandbox made of it
  std::string input;   // a directory with kept-0, which has it, and others; "": of what the
                       // sandbox's git made
  std::string commit;  // full object name or branch
  bool series = false;
  std::vector<std::string> excluded;  // full object names
};

// Thread-safe, blocking: minutes at most.
class GitWork {
 public:
  explicit GitWork(WorkerRunner* runner) : runner_(runner) {}

  // FAILED_PRECONDITION with reason NO_BASE, NOTHING_CHANGED (metadata commit, the tip if there is
  // one), or BRANCH_MOVED (metadata commit).
  absl::StatusOr<CommitMade> Commit(const CommitOrder& order);
  // NOT_FOUND with reason COMMIT_NOT_FOUND; FAILED_PRECONDITION with reason NOTHING_CHANGED,
  // REPOSITORY_INVALID (with git's last words), or, of a series with a message that a mail cannot
  // carry, REPOSITORY_UNSUPPORTED (metadata commit).
  absl::StatusOr<GitOutput> Export(const ExportOrder& order);
  // Both: RESOURCE_EXHAUSTED with reason IMPORT_TOO_LARGE, FAILED_PRECONDITION with reason
  // HOST_TOOL_MISSING, and what WorkerRunner says.

 private:
  WorkerRunner* const runner_;
};

// The answer of the commit script; any bytes. INTERNAL for what is none.
absl::Status ParseCommitAnswer(absl::string_view text, CommitMade* made);

absl::Status BranchMoved(absl::string_view branch, absl::string_view commit);

}  // namespace glovebox

#endif  // GLOVEBOX_SNAPSHOT_GIT_WORK_H_
