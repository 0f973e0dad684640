// The list of changes: an overlay's upper directory compared with its lowers.
//
// Cost follows the upper (plus the lower files below what was deleted or replaced), not the size of
// the tree. The walk is iterative, by descriptors, one component at a time, and holds a bounded
// number of them at any depth. Whiteouts are character devices 0:0 or empty files with
// user.overlay.whiteout; opaque directories have user.overlay.opaque "y" (or lie below one).
//
// A file that was copied up but has the type, the git mode and the bytes that it had is no change;
// times, owners and other permission bits do not count, and are not believed either: equality is
// decided by reading both sides.
//
// The upper may be written by hostile code meanwhile. Then each entry is reported as it was at some
// moment of the scan; for one point in time freeze the sandbox first.
#ifndef GLOVEBOX_CHANGES_UPPER_SCAN_H_
#define GLOVEBOX_CHANGES_UPPER_SCAN_H_

#include <cstdint>
#include <vector>

#include "absl/status/statusor.h"
#include "base/clock.h"
#include "changes/change.h"
#include "changes/content.h"

namespace glovebox {

struct ScanLimits {
  uint64_t entries_max = 1'000'000;          // names read, upper and lowers together
  uint64_t depth_max = 10'000;               // components below the root of the walk
  uint64_t path_bytes_max = 4'095;           // more can neither be opened nor be in a patch
  uint64_t memory_bytes_max = 256ull << 20;  // names in hand, paths and targets of the result
  uint64_t compare_bytes_max = 8ull << 30;   // read, both sides together
  int64_t time_ms_max = 60'000;
};

struct ScanOptions {
  bool exclude_root_git = true;  // leave out ".git" directly below the root of the walk
  // Borrowed; may be null. Then every regular file of the upper is looked up there, read when it is
  // not known, and put there. At most hash_bytes_max are hashed; the rest of the files is not.
  ContentBook* contents = nullptr;
  uint64_t hash_bytes_max = 2ull << 30;
  ScanLimits limits;
};

struct ScanResult {
  std::vector<Change> changes;  // bytewise by path; kDeleted before kAdded where a path has both
  uint64_t entries_read = 0;
  uint64_t bytes_compared = 0;
};

// Errors:
//   RESOURCE_EXHAUSTED, reason TOO_MANY_CHANGES, metadata limit (entries, depth, path_bytes,
//     memory_bytes, compare_bytes, time_ms), max, path: nothing is returned in part.
//   FAILED_PRECONDITION, reason OVERLAY_FEATURE: an entry has user.overlay.redirect or .metacopy.
//   FAILED_PRECONDITION, reason ROOT_NOT_A_DIRECTORY: `layers.root` is not a directory (any more).
//   NOT_FOUND, reason ROOT_NOT_FOUND: no layer has `layers.root`.
//   ABORTED, reason FILE_KEPT_CHANGING, metadata path: the tree was moved about faster than it
//     could be read; freeze the sandbox and try again.
absl::StatusOr<ScanResult> ScanUpper(const Layers& layers, const ScanOptions& options,
                                     const Clock& clock);

}  // namespace glovebox

#endif  // GLOVEBOX_CHANGES_UPPER_SCAN_H_
