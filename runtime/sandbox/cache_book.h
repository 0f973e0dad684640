// Names of snapshots that sandboxes mount as caches.
//
// A name is its owner's own and means nothing to others; or it is shared: set by an administrator,
// and everybody's to use. No name is both, so that nobody gets another cache than the one that is
// meant. Who a caller is and whether it may share is asked before.
//
// A name holds a lease of its snapshot: that can neither be deleted nor collected meanwhile. What
// it means at a sandbox's creation is what that sandbox has for good.
#ifndef GLOVEBOX_SANDBOX_CACHE_BOOK_H_
#define GLOVEBOX_SANDBOX_CACHE_BOOK_H_

#include <cstddef>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "base/clock.h"
#include "sandbox/owner.h"
#include "sandbox/state_db.h"
#include "snapshot/snapshot_store.h"

namespace glovebox {

// Of one owner, and of the shared ones: each keeps a disk attached for every layer.
inline constexpr size_t kCacheNamesMax = 64;

struct CacheInfo {
  std::string name;
  std::string snapshot;  // digest
  bool shared = false;
  std::string owner;  // who set it last
  absl::Time set;
  bool broken = false;  // its snapshot is gone or damaged
};

// Thread-safe; calls block for a mount and a commit to state.db.
class CacheBook {
 public:
  // All outlive the book. `state` null: nothing outlives this daemon.
  CacheBook(SnapshotStore* snapshots, StateDb* state, const Clock* clock)
      : snapshots_(snapshots), state_(state), clock_(clock) {}

  // What an earlier daemon recorded, before the first other call. A name whose snapshot cannot be
  // held stays, as broken, and is told of: a line each.
  std::vector<std::string> Restore(const std::vector<CacheRow>& rows) ABSL_LOCKS_EXCLUDED(mutex_);

  // In place of what the name meant. INVALID_ARGUMENT for the name; ALREADY_EXISTS with reason
  // CACHE_NAME_TAKEN; RESOURCE_EXHAUSTED with reason CLIENT_QUOTA; errors of SnapshotStore::Lease
  // and of state.db, and then it means what it did.
  absl::StatusOr<CacheInfo> Set(const std::string& owner, const std::string& name,
                                const std::string& digest, bool shared) ABSL_LOCKS_EXCLUDED(mutex_);
  // NOT_FOUND with reason CACHE_NOT_FOUND.
  absl::Status Remove(const std::string& owner, const std::string& name, bool shared)
      ABSL_LOCKS_EXCLUDED(mutex_);

  // The digest that the name means to `owner`, with a lease. CACHE_NOT_FOUND; errors of
  // SnapshotStore::Lease for a broken one.
  absl::StatusOr<std::string> Resolve(const std::string& owner, const std::string& name,
                                      std::vector<Layer>* layers) ABSL_LOCKS_EXCLUDED(mutex_);
  bool IsShared(const std::string& name) const ABSL_LOCKS_EXCLUDED(mutex_);

  // Those that `viewer` sees, by name, then owner.
  std::vector<CacheInfo> List(const Viewer& viewer) const ABSL_LOCKS_EXCLUDED(mutex_);

 private:
  // Name, and whose it is: "" for shared ones.
  using Key = std::pair<std::string, std::string>;
  struct Entry {
    std::string snapshot, owner;
    absl::Time set;
    std::vector<Layer> lease;  // none: it is broken
  };

  absl::Status CheckFree(const Key& key) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  static CacheInfo Describe(const Key& key, const Entry& entry);

  SnapshotStore* const snapshots_;
  StateDb* const state_;
  const Clock* const clock_;
  mutable absl::Mutex mutex_;
  std::map<Key, Entry> entries_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace glovebox

#endif  // GLOVEBOX_SANDBOX_CACHE_BOOK_H_
