// Garbage collection of the snapshot store: what nobody uses goes, the least recently used first,
// until the store fits into a budget.
#ifndef GLOVEBOX_SNAPSHOT_STORE_COLLECT_H_
#define GLOVEBOX_SNAPSHOT_STORE_COLLECT_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "snapshot/snapshot_store.h"

namespace glovebox {

// UINT64_MAX: no limit.
struct StoreBudget {
  uint64_t bytes_max = UINT64_MAX;   // of the host's disk, as files take it
  uint64_t inodes_max = UINT64_MAX;  // files, directories and links in snapshots
  bool limits() const { return bytes_max != UINT64_MAX || inodes_max != UINT64_MAX; }
};

struct StoreUse {
  uint64_t bytes = 0;
  uint64_t inodes = 0;
  bool Fits(const StoreBudget& budget) const {
    return bytes <= budget.bytes_max && inodes <= budget.inodes_max;
  }
};

struct CollectOptions {
  StoreBudget budget;
  absl::Duration idle_min = absl::ZeroDuration();  // what was used since then stays
  bool dry_run = false;                            // tells what would go
  std::string keep = {};                           // a digest that stays with its parents, or ""
};

struct Collected {
  std::vector<SnapshotInfo> removed;  // in that order: children before parents
  StoreUse use;                       // afterwards
};

StoreUse UseOf(const std::vector<SnapshotInfo>& snapshots);

// A snapshot that a sandbox, an import or another snapshot uses is never removed; the store decides
// that for each at the moment of its removal, so calls at the same time do no harm. Blocking,
// thread-safe. It is no error when the budget is not reached.
absl::StatusOr<Collected> CollectSnapshots(SnapshotStore* store, absl::Time now,
                                           const CollectOptions& options);

}  // namespace glovebox

#endif  // GLOVEBOX_SNAPSHOT_STORE_COLLECT_H_
