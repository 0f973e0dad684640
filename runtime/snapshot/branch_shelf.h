// The commits that were made of sandboxes' changes: per sandbox and branch one file below the state
// directory, a bundle behind four lines (form, branch, base commit, its commits, oldest first).
// A file is whole or not there; only this daemon writes them.
#ifndef GLOVEBOX_SNAPSHOT_BRANCH_SHELF_H_
#define GLOVEBOX_SNAPSHOT_BRANCH_SHELF_H_

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "base/unique_fd.h"

namespace glovebox {

struct KeptBranch {
  std::string branch;
  std::string base;                  // commit
  std::vector<std::string> commits;  // oldest first; the last is the tip
};

class BranchShelf {
 public:
  // Of one sandbox.
  static constexpr size_t kBranchesMax = 64;
  static constexpr uint64_t kBytesMax = uint64_t{2} << 30;
  static constexpr size_t kCommitsMax = 10'000;  // of one branch

  // `directory` exists. Thread-safe, but for calls for the same sandbox at a time.
  explicit BranchShelf(std::string directory) : directory_(std::move(directory)) {}

  struct Opened {
    KeptBranch branch;
    UniqueFd file;          // O_RDONLY
    uint64_t bundle_begin;  // where the bundle begins in it
    uint64_t bundle_bytes;
  };
  // In the order of no matter what. A sandbox without any is an empty list. DATA_LOSS for a file
  // that is none of ours.
  absl::StatusOr<std::vector<Opened>> List(const std::string& sandbox_id) const;

  // Writes and syncs what Keep takes: a new file at `path`, on the shelf's file system. As slow as
  // the disks; needs no order among calls. RESOURCE_EXHAUSTED as of Keep.
  static absl::Status Write(const std::string& path, const KeptBranch& branch, int bundle_fd,
                            uint64_t bundle_bytes);
  // Replaces what was kept of the branch by the file that Write made at `path`, without copying it.
  // RESOURCE_EXHAUSTED with reason PATCH_LIMIT, metadata limit (kept_branches, kept_bytes,
  // kept_commits), max.
  absl::Status Keep(const std::string& sandbox_id, const KeptBranch& branch,
                    const std::string& path, uint64_t bundle_bytes) const;
  absl::Status Remove(const std::string& sandbox_id) const;

 private:
  const std::string directory_;
};

// The four lines; any bytes. The size of the lines goes to `size`. DATA_LOSS for what is none.
absl::StatusOr<KeptBranch> ParseKeptBranch(absl::string_view head, uint64_t* size);
std::string FormatKeptBranch(const KeptBranch& branch);

}  // namespace glovebox

#endif  // GLOVEBOX_SNAPSHOT_BRANCH_SHELF_H_
