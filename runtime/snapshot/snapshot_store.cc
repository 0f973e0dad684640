#include "snapshot/snapshot_store.h"

#include <fcntl.h>

#include <algorithm>
#include <map>
#include <mutex>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "base/ids.h"
#include "base/status.h"
#include "linux/file_io.h"
#include "snapshot/sealed_store.h"
#include "snapshot/tree_digest.h"

namespace glovebox {
namespace {

constexpr absl::string_view kDigestPrefix = "sha256:";

std::string NameOf(absl::string_view digest) {
  return std::string(absl::StripPrefix(digest, kDigestPrefix));
}

absl::Status NotFound(absl::string_view digest) {
  return DetailedError(absl::StatusCode::kNotFound, absl::StrCat("no snapshot ", digest),
                       {"SNAPSHOT_NOT_FOUND", {{"digest", std::string(digest)}}});
}

absl::Status Damaged(const std::string& digest, absl::string_view why) {
  return DetailedError(
      absl::StatusCode::kDataLoss, absl::StrCat("snapshot ", digest, " ", why),
      {"SNAPSHOT_DAMAGED",
       {{"digest", digest}, {"remedy", "delete the snapshot and import it again"}}});
}

absl::StatusOr<std::string> ContentDigest(const Disk& disk) {
  ASSIGN_OR_RETURN(const UniqueFd root,
                   OpenAt(disk.root_fd(), SealedStore::kRoot, O_RDONLY | O_DIRECTORY | O_NOFOLLOW));
  return DigestTree(root.get(), {.left_out = {"workspace/.git"}});
}

absl::StatusOr<SnapshotInfo> CheckEntry(const StoredEntry& entry) {
  ASSIGN_OR_RETURN(SnapshotInfo info, ParseSnapshotRecord(entry.record));
  if (NameOf(info.digest) != entry.name) return absl::DataLossError("record.json is another's");
  if (info.image_bytes != entry.image_bytes) {
    return absl::DataLossError(
        absl::StrCat("disk.img has ", entry.image_bytes, " bytes, not ", info.image_bytes));
  }
  return info;
}

}  // namespace

struct SnapshotStore::State {
  std::unique_ptr<SealedStore> entries;
  const Clock* clock = nullptr;
  mutable std::mutex mutex;
  std::map<std::string, SnapshotInfo> snapshots;  // by digest
  std::vector<std::string> damaged;               // not changed after Open
};

SnapshotStore::SnapshotStore(std::unique_ptr<State> state) : state_(std::move(state)) {}
SnapshotStore::~SnapshotStore() = default;

absl::StatusOr<std::unique_ptr<SnapshotStore>> SnapshotStore::Open(const std::string& directory,
                                                                   DiskFactory* disks,
                                                                   const Clock* clock) {
  auto state = std::make_unique<State>();
  ASSIGN_OR_RETURN(state->entries,
                   SealedStore::Open(absl::StrCat(directory, "/snapshots"), disks, kIdleMountsMax));
  state->clock = clock;
  ASSIGN_OR_RETURN(const std::vector<StoredEntry> entries, state->entries->Scan(&state->damaged));
  for (const StoredEntry& entry : entries) {
    absl::StatusOr<SnapshotInfo> info = CheckEntry(entry);
    if (info.ok()) {
      state->snapshots.emplace(info->digest, *info);
    } else {
      state->damaged.push_back(absl::StrCat(entry.name, ": ", info.status().message()));
    }
  }
  return std::unique_ptr<SnapshotStore>(new SnapshotStore(std::move(state)));
}

absl::StatusOr<SnapshotInfo> SnapshotStore::Find(absl::string_view digest) const {
  ASSIGN_OR_RETURN(const std::string key, ParseDigest(digest));
  const std::lock_guard lock(state_->mutex);
  const auto it = state_->snapshots.find(key);
  if (it == state_->snapshots.end()) return NotFound(key);
  return it->second;
}

std::optional<SnapshotInfo> SnapshotStore::FindBySource(absl::string_view source_key,
                                                        absl::string_view commit,
                                                        absl::string_view branch) const {
  const std::lock_guard lock(state_->mutex);
  for (const auto& [digest, info] : state_->snapshots) {
    if (info.source_key == source_key && info.commit == commit && info.branch == branch) {
      return info;
    }
  }
  return std::nullopt;
}

std::vector<SnapshotInfo> SnapshotStore::List() const {
  std::vector<SnapshotInfo> list;
  {
    const std::lock_guard lock(state_->mutex);
    for (const auto& [digest, info] : state_->snapshots) list.push_back(info);
  }
  std::stable_sort(list.begin(), list.end(), [](const SnapshotInfo& a, const SnapshotInfo& b) {
    return a.created > b.created;
  });
  return list;
}

std::vector<std::string> SnapshotStore::damaged() const { return state_->damaged; }

absl::StatusOr<SnapshotInfo> SnapshotStore::Commit(std::unique_ptr<Disk> disk,
                                                   const SnapshotSource& source) {
  ASSIGN_OR_RETURN(std::unique_ptr<StagedEntry> staged, state_->entries->Stage(std::move(disk)));
  SnapshotInfo info{.digest = "",
                    .source = source.source,
                    .source_key = source.source_key,
                    .commit = source.commit,
                    .tree = source.tree,
                    .branch = source.branch,
                    .content_digest = "",
                    .created = state_->clock->Now(),
                    .image_bytes = staged->image_bytes()};
  ASSIGN_OR_RETURN(info.content_digest, ContentDigest(staged->disk()));
  ASSIGN_OR_RETURN(const DiskUsage usage, staged->disk().Usage());
  info.bytes_used = usage.bytes_used;
  info.inodes_used = usage.inodes_used;
  info.digest = SnapshotDigest(info);
  const std::string record = FormatSnapshotRecord(info);
  // What the next Open would refuse must not get in.
  RETURN_IF_ERROR(ParseSnapshotRecord(record).status());
  // One lock over store and map, so that a Delete of the same digest comes before or after both.
  const std::lock_guard lock(state_->mutex);
  const absl::Status committed =
      state_->entries->Commit(std::move(staged), NameOf(info.digest), record);
  if (absl::IsAlreadyExists(committed)) {
    const auto it = state_->snapshots.find(info.digest);
    if (it != state_->snapshots.end()) return it->second;
    return Damaged(info.digest, "is in the store but was refused when the store was opened");
  }
  RETURN_IF_ERROR(committed);
  state_->snapshots.emplace(info.digest, info);
  return info;
}

absl::StatusOr<Layer> SnapshotStore::Lease(absl::string_view digest) {
  ASSIGN_OR_RETURN(const SnapshotInfo info, Find(digest));
  absl::StatusOr<Layer> layer = state_->entries->Lease(NameOf(info.digest), info.image_bytes);
  if (absl::IsNotFound(layer.status())) return NotFound(info.digest);  // deleted meanwhile
  return layer;
}

absl::Status SnapshotStore::Delete(absl::string_view digest) {
  ASSIGN_OR_RETURN(const SnapshotInfo info, Find(digest));
  const std::lock_guard lock(state_->mutex);
  const absl::Status deleted = state_->entries->Delete(NameOf(info.digest));
  if (absl::IsAborted(deleted)) {
    return DetailedError(absl::StatusCode::kFailedPrecondition,
                         absl::StrCat("snapshot ", info.digest, " is in use"),
                         {"SNAPSHOT_IN_USE",
                          {{"digest", info.digest},
                           {"remedy", "delete the sandboxes that were made from it first"}}});
  }
  if (absl::IsNotFound(deleted)) return NotFound(info.digest);
  RETURN_IF_ERROR(deleted);
  state_->snapshots.erase(info.digest);
  return absl::OkStatus();
}

absl::Status SnapshotStore::Verify(absl::string_view digest) {
  ASSIGN_OR_RETURN(const SnapshotInfo info, Find(digest));
  ASSIGN_OR_RETURN(const Layer layer, Lease(digest));
  ASSIGN_OR_RETURN(const std::string content, ContentDigest(*layer.disk));
  if (content == info.content_digest) return absl::OkStatus();
  return Damaged(info.digest, absl::StrCat("holds ", content, ", not ", info.content_digest));
}

}  // namespace glovebox
