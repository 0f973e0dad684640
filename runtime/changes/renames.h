// Files that moved: which kDeleted and which kAdded of a list are one file, found by content.
//
// First what is equal: same kind (regular file or symbolic link), size and SHA-256. Of several
// equal files those of the same name (last component) go together, else they pair in byte order of
// their paths. Then, of regular files, what is at least half alike in git's measure (span_hash.h):
// files whose last component is on both sides only once, when three quarters are alike; then every
// old file against every new one, the most alike first, of equals those of the same name.
//
// Deterministic: limits are counted in files and bytes as listed, never in time. What lies beyond
// them stays kDeleted and kAdded. Empty files never count as moved: they are all equal. An old file
// moves to one place; other copies of it are kAdded. What git's patches cannot name is left alone.
#ifndef GLOVEBOX_CHANGES_RENAMES_H_
#define GLOVEBOX_CHANGES_RENAMES_H_

#include <cstdint>
#include <vector>

#include "absl/status/statusor.h"
#include "base/clock.h"
#include "changes/change.h"

namespace glovebox {

struct RenameLimits {
  uint64_t equal_bytes_max = uint64_t{8} << 30;  // read to find equal files, smallest first
  uint64_t similar_file_bytes_max = 8 << 20;     // a larger file is only compared for equality
  uint64_t similar_bytes_max = 64 << 20;         // of all files that are compared for likeness
  uint64_t similar_files_max = 1000;             // on either side, for old against new
  uint64_t similar_steps_max = 400'000'000;      // pieces looked at for that
  int64_t time_ms_max = 60'000;
};

struct RenameResult {
  std::vector<Change> changes;  // in the order of ScanResult
  // Something was beyond a limit: fewer renames may be told than there are.
  bool cut = false;
};

// `changes` is ScanUpper's result for the same layers, or a part of it. Files that are no longer
// what the list says are not taken for moved. Errors:
//   RESOURCE_EXHAUSTED, reason TOO_MANY_CHANGES, metadata limit=time_ms.
absl::StatusOr<RenameResult> FindRenames(const Layers& layers, std::vector<Change> changes,
                                         const RenameLimits& limits, const Clock& clock);

}  // namespace glovebox

#endif  // GLOVEBOX_CHANGES_RENAMES_H_
