#include "snapshot/layer_store.h"

#include <fcntl.h>

#include <utility>

#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "linux/file_io.h"
#include "snapshot/tree_digest.h"

namespace glovebox {
namespace {

constexpr size_t kIdleMountsMax = 32;

absl::StatusOr<LayerInfo> CheckEntry(const StoredEntry& entry) {
  ASSIGN_OR_RETURN(LayerInfo info, ParseLayerRecord(entry.record));
  if (info.key != entry.name) return absl::DataLossError("record.json is another's");
  if (info.image_bytes != entry.image_bytes) {
    return absl::DataLossError(
        absl::StrCat("disk.img has ", entry.image_bytes, " bytes, not ", info.image_bytes));
  }
  return info;
}

}  // namespace

absl::StatusOr<std::unique_ptr<LayerStore>> LayerStore::Open(const std::string& directory,
                                                             DiskFactory* disks) {
  std::unique_ptr<LayerStore> store(new LayerStore);
  ASSIGN_OR_RETURN(store->entries_, SealedStore::Open(absl::StrCat(directory, "/image-layers"),
                                                      disks, kIdleMountsMax));
  ASSIGN_OR_RETURN(const std::vector<StoredEntry> entries, store->entries_->Scan(&store->damaged_));
  for (const StoredEntry& entry : entries) {
    absl::StatusOr<LayerInfo> info = CheckEntry(entry);
    if (info.ok()) {
      store->layers_.emplace(info->key, *info);
    } else {
      store->damaged_.push_back(absl::StrCat(entry.name, ": ", info.status().message()));
    }
  }
  return store;
}

std::optional<LayerInfo> LayerStore::Find(const std::string& key) const {
  const std::lock_guard lock(mutex_);
  const auto it = layers_.find(key);
  if (it == layers_.end()) return std::nullopt;
  return it->second;
}

absl::StatusOr<LayerInfo> LayerStore::Commit(std::unique_ptr<Disk> disk, const std::string& key) {
  ASSIGN_OR_RETURN(std::unique_ptr<StagedEntry> staged, entries_->Stage(std::move(disk)));
  ASSIGN_OR_RETURN(const UniqueFd root, OpenAt(staged->disk().root_fd(), SealedStore::kRoot,
                                               O_RDONLY | O_DIRECTORY | O_NOFOLLOW));
  TreeDigestOptions options;
  options.is_delta = true;
  ASSIGN_OR_RETURN(const std::string content, DigestTree(root.get(), options));
  ASSIGN_OR_RETURN(const DiskUsage usage, staged->disk().Usage());
  const LayerInfo info{.key = key,
                       .content_digest = content,
                       .bytes_used = usage.bytes_used,
                       .inodes_used = usage.inodes_used,
                       .image_bytes = staged->image_bytes()};
  const std::string record = FormatLayerRecord(info);
  // What the next Open would refuse must not get in.
  RETURN_IF_ERROR(ParseLayerRecord(record).status());
  const std::lock_guard lock(mutex_);
  const absl::Status committed = entries_->Commit(std::move(staged), key, record);
  if (!absl::IsAlreadyExists(committed)) {
    RETURN_IF_ERROR(committed);
    layers_.emplace(key, info);
  }
  const auto it = layers_.find(key);
  if (it == layers_.end()) {
    return DetailedError(absl::StatusCode::kDataLoss,
                         absl::StrCat("a damaged layer is in the place of ", key),
                         {"SNAPSHOT_DAMAGED", {}});
  }
  return it->second;
}

absl::StatusOr<Layer> LayerStore::Lease(const std::string& key) {
  const std::lock_guard lock(mutex_);
  const auto it = layers_.find(key);
  if (it == layers_.end()) return absl::NotFoundError(absl::StrCat("no layer ", key));
  ASSIGN_OR_RETURN(Layer layer, entries_->Lease(key, it->second.image_bytes));
  absl::StrAppend(&layer.subdirectory, "/", kTree);
  return layer;
}

void LayerStore::RemoveUnused(const std::set<std::string>& used) {
  const std::lock_guard lock(mutex_);
  for (auto it = layers_.begin(); it != layers_.end();) {
    // One that is leased is an import's, or a sandbox's; one that cannot be removed goes another
    // time.
    const bool removed = !used.contains(it->first) && entries_->Delete(it->first).ok();
    it = removed ? layers_.erase(it) : std::next(it);
  }
}

}  // namespace glovebox
