#include "snapshot/snapshot_store.h"

#include <fcntl.h>

#include <algorithm>
#include <map>
#include <mutex>
#include <utility>

#include "absl/functional/function_ref.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/strip.h"
#include "base/ids.h"
#include "base/sha256.h"
#include "base/status.h"
#include "linux/file_io.h"
#include "snapshot/sealed_store.h"
#include "snapshot/tree_digest.h"

namespace glovebox {
namespace {

constexpr absl::string_view kDigestPrefix = "sha256:";
constexpr size_t kChildrenNamedMax = 16;

std::string NameOf(absl::string_view digest) {
  return std::string(absl::StripPrefix(digest, kDigestPrefix));
}

absl::Status Damaged(const std::string& digest, absl::string_view why) {
  return DetailedError(
      absl::StatusCode::kDataLoss, absl::StrCat("snapshot ", digest, " ", why),
      {"SNAPSHOT_DAMAGED",
       {{"digest", digest}, {"remedy", "delete the snapshot and import it again"}}});
}

constexpr char kGitDirectory[] = "workspace/.git";

absl::Status WalkDisk(const Disk& disk, bool is_delta, bool with_git,
                      absl::FunctionRef<void(const TreeEntry&)> visit) {
  ASSIGN_OR_RETURN(const UniqueFd root,
                   OpenAt(disk.root_fd(), SealedStore::kRoot, O_RDONLY | O_DIRECTORY | O_NOFOLLOW));
  TreeDigestOptions options{.left_out = {}, .is_delta = is_delta};
  if (!with_git) options.left_out.emplace_back(kGitDirectory);
  return WalkTree(root.get(), options, visit);
}

absl::StatusOr<Manifest> ManifestOf(const Disk& disk, bool is_delta) {
  Manifest manifest;
  RETURN_IF_ERROR(WalkDisk(disk, is_delta, /*with_git=*/false,
                           [&](const TreeEntry& entry) { manifest.push_back(entry); }));
  return manifest;
}

bool IsOfGit(const TreeEntry& entry) {
  return entry.path == kGitDirectory ||
         absl::StartsWith(entry.path, absl::StrCat(kGitDirectory, "/"));
}

// What a walk of a new layer gives. The layer's entries are not held, only the text: a tree may be
// as large as its limit without the host taking a multiple of it.
struct WalkedLayer {
  std::string manifest;
  std::string content_digest;  // over the tree below
  std::string key;             // of what comes from no repository: the same layer, over the same
};

absl::StatusOr<WalkedLayer> WalkLayer(const Disk& disk, Manifest below, bool of_all_content,
                                      const std::string& parent) {
  WalkedLayer walked{.manifest = ManifestHeader(), .content_digest = "", .key = ""};
  Sha256 key;
  key.UpdateField("layer");
  key.UpdateField(parent);
  Sha256 content;
  uint64_t bytes = 0;
  const auto count = [&](const TreeEntry& entry) {
    bytes += entry.bytes();
    AddToDigest(entry, &content);
  };
  LayerMerge merge(std::move(below), count);
  RETURN_IF_ERROR(WalkDisk(disk, !parent.empty(), of_all_content, [&](const TreeEntry& entry) {
    if (of_all_content) {
      std::string line;
      AppendToManifest(entry, &line);
      key.UpdateField(line);
      if (IsOfGit(entry)) return;
    }
    AppendToManifest(entry, &walked.manifest);
    merge.Add(entry);
  }));
  merge.Finish();
  // Who uses it as a parent has to hold it.
  if (bytes > kTreeBytesMax) return TreeListTooLarge();
  walked.content_digest = content.FinishHex();
  walked.key = key.FinishHex();
  return walked;
}

absl::Status InUse(const std::string& digest, const std::string& children) {
  ErrorDetail detail{"SNAPSHOT_IN_USE", {{"digest", digest}}};
  if (children.empty()) {
    detail.metadata["remedy"] = "delete the sandboxes that were made from it first";
    return DetailedError(absl::StatusCode::kFailedPrecondition,
                         absl::StrCat("snapshot ", digest, " is in use"), detail);
  }
  detail.metadata["snapshots"] = children;
  detail.metadata["remedy"] = "delete the snapshots that are kept as a difference to it first";
  return DetailedError(absl::StatusCode::kFailedPrecondition,
                       absl::StrCat("snapshot ", digest, " is the parent of others"), detail);
}

absl::Status TooDeep(const SnapshotInfo& parent) {
  return absl::OutOfRangeError(absl::StrCat("snapshot ", parent.digest, " has ", parent.layers,
                                            " layers; one over it would be too many"));
}

absl::StatusOr<SnapshotInfo> CheckEntry(const StoredEntry& entry) {
  ASSIGN_OR_RETURN(SnapshotInfo info, ParseSnapshotRecord(entry.record));
  if (NameOf(info.digest) != entry.name) return absl::DataLossError("record.json is another's");
  if (info.image_bytes != entry.image_bytes) {
    return absl::DataLossError(
        absl::StrCat("disk.img has ", entry.image_bytes, " bytes, not ", info.image_bytes));
  }
  info.host_bytes = entry.host_bytes;
  info.last_used = entry.last_used;
  return info;
}

}  // namespace

absl::Status SnapshotNotFound(absl::string_view digest) {
  return DetailedError(absl::StatusCode::kNotFound, absl::StrCat("no snapshot ", digest),
                       {"SNAPSHOT_NOT_FOUND", {{"digest", std::string(digest)}}});
}

struct SnapshotStore::State {
  std::unique_ptr<SealedStore> entries;
  const Clock* clock = nullptr;
  mutable std::mutex mutex;
  std::map<std::string, SnapshotInfo> snapshots;  // by digest
  std::vector<std::string> damaged;               // not changed after Open

  // Those whose parent is there, each after its parent; the rest is damaged.
  void Adopt(std::vector<SnapshotInfo> found);
  // Digests of the snapshots that are kept as a difference to `digest`. Needs mutex.
  std::string ChildrenOf(const std::string& digest) const;
  void NoteUse(const std::string& digest);
  absl::StatusOr<SnapshotInfo> Keep(StagedEntry& staged, SnapshotInfo info);
};

void SnapshotStore::State::Adopt(std::vector<SnapshotInfo> found) {
  for (bool more = true; more;) {
    more = false;
    for (auto it = found.begin(); it != found.end();) {
      const auto parent = snapshots.find(it->parent);
      if (!it->parent.empty() && parent == snapshots.end()) {
        ++it;
        continue;
      }
      if (parent != snapshots.end()) it->layers = parent->second.layers + 1;
      snapshots.emplace(it->digest, *it);
      it = found.erase(it);
      more = true;
    }
  }
  for (const SnapshotInfo& info : found) {
    damaged.push_back(
        absl::StrCat(NameOf(info.digest), ": its parent ", info.parent, " is not in the store"));
  }
}

void SnapshotStore::State::NoteUse(const std::string& digest) {
  const absl::Time now = clock->Now();
  const std::lock_guard lock(mutex);
  for (auto it = snapshots.find(digest); it != snapshots.end();) {
    it->second.last_used = now;
    entries->Touch(NameOf(it->first));
    it = snapshots.find(it->second.parent);
  }
}

std::string SnapshotStore::State::ChildrenOf(const std::string& digest) const {
  std::vector<std::string> children;
  for (const auto& [name, info] : snapshots) {
    if (info.parent == digest && children.size() < kChildrenNamedMax) children.push_back(name);
  }
  return absl::StrJoin(children, ",");
}

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
  std::vector<SnapshotInfo> found;
  for (const StoredEntry& entry : entries) {
    absl::StatusOr<SnapshotInfo> info = CheckEntry(entry);
    if (info.ok()) {
      found.push_back(*std::move(info));
    } else {
      state->damaged.push_back(absl::StrCat(entry.name, ": ", info.status().message()));
    }
  }
  state->Adopt(std::move(found));
  return std::unique_ptr<SnapshotStore>(new SnapshotStore(std::move(state)));
}

absl::StatusOr<SnapshotInfo> SnapshotStore::Find(absl::string_view digest) const {
  ASSIGN_OR_RETURN(const std::string key, ParseDigest(digest));
  const std::lock_guard lock(state_->mutex);
  const auto it = state_->snapshots.find(key);
  if (it == state_->snapshots.end()) return SnapshotNotFound(key);
  return it->second;
}

std::optional<SnapshotInfo> SnapshotStore::FindBySource(absl::string_view source_key,
                                                        absl::string_view commit,
                                                        absl::string_view branch,
                                                        History history) const {
  const std::lock_guard lock(state_->mutex);
  for (const auto& [digest, info] : state_->snapshots) {
    if (info.source_key == source_key && info.commit == commit && info.branch == branch &&
        info.history == history) {
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

absl::StatusOr<std::vector<SnapshotInfo>> SnapshotStore::Chain(const SnapshotInfo& info) const {
  std::vector<SnapshotInfo> chain = {info};
  while (!chain.back().parent.empty()) {
    ASSIGN_OR_RETURN(SnapshotInfo parent, Find(chain.back().parent));
    chain.push_back(std::move(parent));
  }
  return chain;
}

absl::StatusOr<Manifest> SnapshotStore::TreeOf(const SnapshotInfo& info) const {
  ASSIGN_OR_RETURN(const std::vector<SnapshotInfo> chain, Chain(info));
  Manifest tree;
  for (auto layer = chain.rbegin(); layer != chain.rend(); ++layer) {
    const std::string name = NameOf(layer->digest);
    auto bytes = state_->entries->ReadManifest(name, kManifestBytesMax);
    if (absl::IsNotFound(bytes.status()) && layer->parent.empty()) {  // of an earlier release
      ASSIGN_OR_RETURN(const Layer disk, state_->entries->Lease(name, layer->image_bytes));
      ASSIGN_OR_RETURN(tree, ManifestOf(*disk.disk, /*is_delta=*/false));
      // Without it the next one walks again.
      if (DigestOf(tree) == layer->content_digest) {
        (void)state_->entries->AddManifest(name, FormatManifest(tree));
      }
      continue;
    }
    // An earlier release kept larger ones.
    if (absl::IsOutOfRange(bytes.status())) return TreeListTooLarge();
    if (!bytes.ok()) return Damaged(layer->digest, bytes.status().message());
    absl::StatusOr<Manifest> own = ParseManifest(*bytes);
    if (!own.ok()) return Damaged(layer->digest, own.status().message());
    bytes->clear();
    bytes->shrink_to_fit();  // not held beside what was made of it
    tree = MergeLayer(std::move(tree), *std::move(own));
  }
  if (DigestOf(tree) == info.content_digest) return tree;
  return Damaged(info.digest, "has a manifest that does not give its content digest");
}

absl::StatusOr<SnapshotInfo> SnapshotStore::Commit(std::unique_ptr<Disk> disk,
                                                   const SnapshotSource& source,
                                                   absl::string_view parent_digest) {
  SnapshotInfo parent;
  Manifest tree;
  if (!parent_digest.empty()) {
    ASSIGN_OR_RETURN(parent, Find(parent_digest));
    if (parent.layers >= kLayersMax) return TooDeep(parent);
    ASSIGN_OR_RETURN(tree, TreeOf(parent));
  }
  ASSIGN_OR_RETURN(std::unique_ptr<StagedEntry> staged, state_->entries->Stage(std::move(disk)));
  SnapshotInfo info{.digest = "",
                    .source = source.source,
                    .source_key = source.source_key,
                    .commit = source.commit,
                    .tree = source.tree,
                    .branch = source.branch,
                    .content_digest = "",
                    .created = state_->clock->Now(),
                    .image_bytes = staged->image_bytes(),
                    .history = source.history,
                    .parent = parent.digest,
                    .layers = parent.digest.empty() ? 1 : parent.layers + 1};
  ASSIGN_OR_RETURN(const WalkedLayer walked,
                   WalkLayer(staged->disk(), std::move(tree), source.of_all_content, info.parent));
  if (source.of_all_content) info.source_key = walked.key;
  info.content_digest = walked.content_digest;
  ASSIGN_OR_RETURN(const DiskUsage usage, staged->disk().Usage());
  info.bytes_used = usage.bytes_used;
  info.inodes_used = usage.inodes_used;
  info.digest = SnapshotDigest(info);
  const std::string record = FormatSnapshotRecord(info);
  // What the next Open would refuse must not get in.
  RETURN_IF_ERROR(ParseSnapshotRecord(record).status());
  RETURN_IF_ERROR(SealedStore::Complete(*staged, record, walked.manifest));
  const absl::Time made = info.created;
  ASSIGN_OR_RETURN(const SnapshotInfo kept, state_->Keep(*staged, std::move(info)));
  if (const absl::Status settled = state_->entries->Settle(); !settled.ok()) {
    if (kept.created == made) (void)Delete(kept.digest);  // stays if somebody uses it by now
    return settled;
  }
  return kept;
}

// One lock over store and map, so that a Delete of the same digest comes before or after both.
absl::StatusOr<SnapshotInfo> SnapshotStore::State::Keep(StagedEntry& staged, SnapshotInfo info) {
  const std::lock_guard lock(mutex);
  if (!info.parent.empty() && !snapshots.contains(info.parent)) {
    return SnapshotNotFound(info.parent);
  }
  const std::string name = NameOf(info.digest);
  const absl::Status committed = entries->Publish(staged, name);
  if (absl::IsAlreadyExists(committed)) {
    const auto it = snapshots.find(info.digest);
    if (it != snapshots.end()) return it->second;
    return Damaged(info.digest, "is in the store but was refused when the store was opened");
  }
  RETURN_IF_ERROR(committed);
  ASSIGN_OR_RETURN(const StoredEntry entry, entries->Look(name));
  info.host_bytes = entry.host_bytes;
  info.last_used = entry.last_used;
  snapshots.emplace(info.digest, info);
  return info;
}

absl::StatusOr<std::vector<Layer>> SnapshotStore::Lease(absl::string_view digest) {
  ASSIGN_OR_RETURN(std::vector<Layer> layers, LeaseUnnoted(digest));
  state_->NoteUse(std::string(digest));
  return layers;
}

// The uppermost one is leased first: with it held, no parent can be deleted.
absl::StatusOr<std::vector<Layer>> SnapshotStore::LeaseUnnoted(absl::string_view digest) {
  ASSIGN_OR_RETURN(const SnapshotInfo info, Find(digest));
  std::vector<Layer> layers;
  for (SnapshotInfo next = info;;) {
    absl::StatusOr<Layer> layer = state_->entries->Lease(NameOf(next.digest), next.image_bytes);
    if (absl::IsNotFound(layer.status())) {  // deleted meanwhile
      return SnapshotNotFound(next.digest);
    }
    RETURN_IF_ERROR(layer.status());
    layers.push_back(*std::move(layer));
    if (next.parent.empty()) return layers;
    ASSIGN_OR_RETURN(next, Find(next.parent));
  }
}

absl::Status SnapshotStore::Delete(absl::string_view digest) {
  ASSIGN_OR_RETURN(const SnapshotInfo info, Find(digest));
  std::vector<std::string> retired;
  {
    const std::lock_guard lock(state_->mutex);
    const std::string children = state_->ChildrenOf(info.digest);
    if (!children.empty()) return InUse(info.digest, children);
    const absl::Status deleted = state_->entries->Retire(NameOf(info.digest), &retired);
    if (absl::IsAborted(deleted)) return InUse(info.digest, "");
    if (absl::IsNotFound(deleted)) return SnapshotNotFound(info.digest);
    RETURN_IF_ERROR(deleted);
    state_->snapshots.erase(info.digest);
  }
  return state_->entries->Remove(retired);
}

bool SnapshotStore::IsLeased(absl::string_view digest) const {
  return state_->entries->IsLeased(NameOf(digest));
}

absl::Status SnapshotStore::VerifyEntry(absl::string_view digest, bool content) {
  ASSIGN_OR_RETURN(const SnapshotInfo info, Find(digest));
  ASSIGN_OR_RETURN(const std::vector<Layer> layers, LeaseUnnoted(digest));
  const auto entry = state_->entries->Look(NameOf(info.digest));
  if (!entry.ok()) return Damaged(info.digest, entry.status().message());
  const auto stored = CheckEntry(*entry);
  if (!stored.ok()) return Damaged(info.digest, stored.status().message());
  if (stored->parent != info.parent) return Damaged(info.digest, "has another's record");
  RETURN_IF_ERROR(TreeOf(info).status());
  if (!content) return absl::OkStatus();
  const auto own = WalkLayer(*layers.front().disk, {}, /*of_all_content=*/false, info.parent);
  if (!own.ok()) return Damaged(info.digest, own.status().message());
  const auto recorded = state_->entries->ReadManifest(entry->name, kManifestBytesMax);
  if (recorded.ok() && *recorded != own->manifest) {
    return Damaged(info.digest, "holds something else than its manifest says");
  }
  if (recorded.ok() || info.parent.empty()) return absl::OkStatus();
  return Damaged(info.digest, recorded.status().message());
}

absl::Status SnapshotStore::Verify(absl::string_view digest) {
  ASSIGN_OR_RETURN(const SnapshotInfo info, Find(digest));
  ASSIGN_OR_RETURN(const std::vector<Layer> layers, LeaseUnnoted(digest));
  ASSIGN_OR_RETURN(const std::vector<SnapshotInfo> chain, Chain(info));
  Manifest tree;
  for (size_t i = layers.size(); i-- > 0;) {
    absl::StatusOr<Manifest> own =
        ManifestOf(*layers[i].disk, /*is_delta=*/!chain[i].parent.empty());
    if (!own.ok()) return Damaged(chain[i].digest, own.status().message());
    tree = MergeLayer(std::move(tree), *std::move(own));
    const std::string content = DigestOf(tree);
    if (content == chain[i].content_digest) continue;
    return Damaged(chain[i].digest,
                   absl::StrCat("holds ", content, ", not ", chain[i].content_digest));
  }
  return TreeOf(info).status();
}

}  // namespace glovebox
