#include "snapshot/store_collect.h"

#include <map>
#include <set>
#include <tuple>
#include <utility>

#include "base/status.h"

namespace glovebox {
namespace {

// Candidates in the order of their going. A parent becomes one when its last child has gone.
class Queue {
 public:
  Queue(const std::vector<SnapshotInfo>& all, absl::Time now, const CollectOptions& options)
      : newest_(now - options.idle_min), keep_(options.keep) {
    for (const SnapshotInfo& info : all) {
      infos_.emplace(info.digest, &info);
      if (!info.parent.empty()) ++children_[info.parent];
    }
    for (const SnapshotInfo& info : all) Consider(info);
  }

  const SnapshotInfo* Next() {
    if (order_.empty()) return nullptr;
    const SnapshotInfo* const info = infos_.at(std::get<1>(*order_.begin()));
    order_.erase(order_.begin());
    return info;
  }

  void Removed(const SnapshotInfo& info) {
    const auto parent = infos_.find(info.parent);
    if (parent == infos_.end()) return;
    --children_[info.parent];
    Consider(*parent->second);
  }

 private:
  void Consider(const SnapshotInfo& info) {
    const auto children = children_.find(info.digest);
    const bool has_children = children != children_.end() && children->second > 0;
    if (has_children || info.last_used > newest_ || info.digest == keep_) return;
    order_.emplace(info.last_used, info.digest);
  }

  const absl::Time newest_;
  const std::string keep_;
  std::map<std::string, const SnapshotInfo*> infos_;
  std::map<std::string, size_t> children_;
  std::set<std::tuple<absl::Time, std::string>> order_;
};

// Whether it is gone; false when somebody uses it.
absl::StatusOr<bool> Remove(SnapshotStore* store, const SnapshotInfo& info, bool dry_run) {
  if (dry_run) return !store->IsLeased(info.digest);
  const absl::Status deleted = store->Delete(info.digest);
  if (deleted.ok()) return true;
  if (absl::IsFailedPrecondition(deleted) || absl::IsNotFound(deleted)) return false;
  return deleted;
}

}  // namespace

StoreUse UseOf(const std::vector<SnapshotInfo>& snapshots) {
  StoreUse use;
  for (const SnapshotInfo& info : snapshots) {
    use.bytes += info.host_bytes;
    use.inodes += info.inodes_used;
  }
  return use;
}

absl::StatusOr<Collected> CollectSnapshots(SnapshotStore* store, absl::Time now,
                                           const CollectOptions& options) {
  const std::vector<SnapshotInfo> all = store->List();
  Collected collected;
  collected.use = UseOf(all);
  Queue queue(all, now, options);
  while (!collected.use.Fits(options.budget)) {
    const SnapshotInfo* const info = queue.Next();
    if (info == nullptr) break;
    ASSIGN_OR_RETURN(const bool gone, Remove(store, *info, options.dry_run));
    if (!gone) continue;
    collected.use.bytes -= info->host_bytes;
    collected.use.inodes -= info->inodes_used;
    collected.removed.push_back(*info);
    queue.Removed(*info);
  }
  return collected;
}

}  // namespace glovebox
