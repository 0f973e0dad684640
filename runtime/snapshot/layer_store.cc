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

absl::Status Damaged(absl::string_view why) {
  return DetailedError(absl::StatusCode::kDataLoss, why, {"SNAPSHOT_DAMAGED", {}});
}

absl::StatusOr<std::string> DigestOf(const Disk& disk) {
  ASSIGN_OR_RETURN(const UniqueFd root,
                   OpenAt(disk.root_fd(), SealedStore::kRoot, O_RDONLY | O_DIRECTORY | O_NOFOLLOW));
  TreeDigestOptions options;
  options.is_delta = true;
  return DigestTree(root.get(), options);
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
  ASSIGN_OR_RETURN(const std::string content, DigestOf(staged->disk()));
  ASSIGN_OR_RETURN(const DiskUsage usage, staged->disk().Usage());
  const LayerInfo info{.key = key,
                       .content_digest = content,
                       .bytes_used = usage.bytes_used,
                       .inodes_used = usage.inodes_used,
                       .image_bytes = staged->image_bytes()};
  const std::string record = FormatLayerRecord(info);
  // What the next Open would refuse must not get in.
  RETURN_IF_ERROR(ParseLayerRecord(record).status());
  RETURN_IF_ERROR(SealedStore::Complete(*staged, record));
  ASSIGN_OR_RETURN(const LayerInfo kept, Keep(*staged, info));
  // One that is not durable is only lost with the image that wants it: that comes after it.
  RETURN_IF_ERROR(entries_->Settle());
  return kept;
}

absl::StatusOr<LayerInfo> LayerStore::Keep(StagedEntry& staged, const LayerInfo& info) {
  const std::lock_guard lock(mutex_);
  const absl::Status published = entries_->Publish(staged, info.key);
  if (!absl::IsAlreadyExists(published)) {
    RETURN_IF_ERROR(published);
    layers_.emplace(info.key, info);
  }
  const auto it = layers_.find(info.key);
  if (it != layers_.end()) return it->second;
  return Damaged(absl::StrCat("what is in the place of layer ", info.key, " was refused"));
}

absl::StatusOr<Layer> LayerStore::Lease(const std::string& key) {
  const std::lock_guard lock(mutex_);
  const auto it = layers_.find(key);
  if (it == layers_.end()) return absl::NotFoundError(absl::StrCat("no layer ", key));
  ASSIGN_OR_RETURN(Layer layer, entries_->Lease(key, it->second.image_bytes));
  absl::StrAppend(&layer.subdirectory, "/", kTree);
  return layer;
}

std::vector<std::string> LayerStore::RetireUnused(const std::set<std::string>& used) {
  std::vector<std::string> retired;
  const std::lock_guard lock(mutex_);
  for (auto it = layers_.begin(); it != layers_.end();) {
    // One that is leased is an import's, or a sandbox's.
    const bool gone = !used.contains(it->first) && entries_->Retire(it->first, &retired).ok();
    it = gone ? layers_.erase(it) : std::next(it);
  }
  return retired;
}

void LayerStore::Remove(const std::vector<std::string>& retired) {
  (void)entries_->Remove(retired);  // what cannot be removed goes at the next Open
}

std::vector<std::string> LayerStore::Keys() const {
  const std::lock_guard lock(mutex_);
  std::vector<std::string> keys;
  for (const auto& [key, info] : layers_) keys.push_back(key);
  return keys;
}

absl::Status LayerStore::Verify(const std::string& key, bool content) {
  const std::optional<LayerInfo> info = Find(key);
  if (!info.has_value()) return absl::NotFoundError(absl::StrCat("no layer ", key));
  ASSIGN_OR_RETURN(const Layer layer, Lease(key));
  if (!content) return absl::OkStatus();
  const absl::StatusOr<std::string> found = DigestOf(*layer.disk);
  if (!found.ok()) return Damaged(found.status().message());
  if (*found == info->content_digest) return absl::OkStatus();
  return Damaged(absl::StrCat("holds ", *found, ", not ", info->content_digest));
}

}  // namespace glovebox
