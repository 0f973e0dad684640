#include "snapshot/image_store.h"

#include <fcntl.h>

#include <algorithm>
#include <map>
#include <mutex>
#include <optional>
#include <set>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/sha256.h"
#include "base/status.h"
#include "linux/file_io.h"
#include "snapshot/tree_digest.h"

namespace glovebox {
namespace {

constexpr size_t kIdleMountsMax = 8;

absl::Status NotFound(absl::string_view name) {
  return DetailedError(
      absl::StatusCode::kNotFound, absl::StrCat("no image \"", name, "\""),
      {"IMAGE_NOT_FOUND",
       {{"image", std::string(name)}, {"remedy", "list the images, or import this one"}}});
}

absl::Status Exists(absl::string_view name) {
  return DetailedError(
      absl::StatusCode::kAlreadyExists, absl::StrCat("image \"", name, "\" exists"),
      {"IMAGE_EXISTS",
       {{"image", std::string(name)}, {"remedy", "delete it first, or choose another name"}}});
}

absl::Status InUse(absl::string_view name) {
  return DetailedError(absl::StatusCode::kFailedPrecondition,
                       absl::StrCat("image \"", name, "\" is in use"),
                       {"IMAGE_IN_USE",
                        {{"image", std::string(name)},
                         {"remedy", "delete the sandboxes that were made from it first"}}});
}

absl::Status Damaged(absl::string_view why) {
  return DetailedError(absl::StatusCode::kDataLoss, why, {"SNAPSHOT_DAMAGED", {}});
}

absl::StatusOr<std::string> DigestOf(const Disk& disk, bool is_delta) {
  ASSIGN_OR_RETURN(const UniqueFd root,
                   OpenAt(disk.root_fd(), SealedStore::kRoot, O_RDONLY | O_DIRECTORY | O_NOFOLLOW));
  TreeDigestOptions options;
  options.is_delta = is_delta;
  return DigestTree(root.get(), options);
}

absl::StatusOr<ImageInfo> CheckEntry(const StoredEntry& entry) {
  ASSIGN_OR_RETURN(ImageInfo info, ParseImageRecord(entry.record));
  if (info.name != entry.name) return absl::DataLossError("record.json is another's");
  if (info.name == ImageStore::kHostName) return absl::DataLossError("the name is built in");
  if (info.image_bytes != entry.image_bytes) {
    return absl::DataLossError(
        absl::StrCat("disk.img has ", entry.image_bytes, " bytes, not ", info.image_bytes));
  }
  return info;
}

// Makes digest and sizes those of the image with all its layers.
absl::Status CountLayers(const LayerStore& layers, const std::string& own_content,
                         ImageInfo* info) {
  Sha256 digest;
  digest.UpdateField("glovebox-image-2");
  digest.UpdateField(own_content);
  for (const std::string& key : info->parts.layers) {
    const std::optional<LayerInfo> layer = layers.Find(key);
    if (!layer.has_value()) return absl::InternalError(absl::StrCat("layer ", key, " is gone"));
    digest.UpdateField(key);
    digest.UpdateField(layer->content_digest);
    info->bytes_used += layer->bytes_used;
    info->inodes_used += layer->inodes_used;
  }
  info->digest = absl::StrCat("sha256:", digest.FinishHex());
  return absl::OkStatus();
}

}  // namespace

struct ImageStore::State {
  std::unique_ptr<SealedStore> entries;
  std::unique_ptr<LayerStore> layers;
  const HostImage* host = nullptr;
  const Clock* clock = nullptr;
  absl::Time opened;
  mutable std::mutex mutex;
  std::map<std::string, ImageInfo> images;  // by name, without `host`
  std::vector<std::string> damaged;         // not changed after Open

  // Needs the mutex.
  std::set<std::string> UsedLayers() const {
    std::set<std::string> used;
    for (const auto& [name, info] : images) {
      used.insert(info.parts.layers.begin(), info.parts.layers.end());
    }
    return used;
  }

  // Why an image cannot be used; "": it can.
  std::string Missing(const ImageInfo& info) const {
    for (const std::string& key : info.parts.layers) {
      if (!layers->Find(key).has_value()) return absl::StrCat("its layer ", key, " is missing");
    }
    return "";
  }

  ImageInfo HostInfo() const {
    return ImageInfo{.name = kHostName,
                     .digest = host->digest(),
                     .source = "/usr",
                     .created = opened,
                     .built_in = true};
  }
};

ImageStore::ImageStore(std::unique_ptr<State> state) : state_(std::move(state)) {}
ImageStore::~ImageStore() = default;

absl::StatusOr<std::unique_ptr<ImageStore>> ImageStore::Open(const std::string& directory,
                                                             DiskFactory* disks,
                                                             const HostImage* host,
                                                             const Clock* clock) {
  auto state = std::make_unique<State>();
  ASSIGN_OR_RETURN(state->entries,
                   SealedStore::Open(absl::StrCat(directory, "/images"), disks, kIdleMountsMax));
  ASSIGN_OR_RETURN(state->layers, LayerStore::Open(directory, disks));
  state->damaged = state->layers->damaged();
  state->host = host;
  state->clock = clock;
  state->opened = clock->Now();
  ASSIGN_OR_RETURN(const std::vector<StoredEntry> entries, state->entries->Scan(&state->damaged));
  for (const StoredEntry& entry : entries) {
    absl::StatusOr<ImageInfo> info = CheckEntry(entry);
    std::string why = info.ok() ? state->Missing(*info) : std::string(info.status().message());
    if (why.empty()) {
      state->images.emplace(info->name, *info);
    } else {
      state->damaged.push_back(absl::StrCat(entry.name, ": ", why));
    }
  }
  // What imports left that came to nothing. With damaged images it is not known whose layers are
  // whose.
  if (state->damaged.empty()) {
    state->layers->Remove(state->layers->RetireUnused(state->UsedLayers()));
  }
  return std::unique_ptr<ImageStore>(new ImageStore(std::move(state)));
}

absl::StatusOr<ImageInfo> ImageStore::Find(absl::string_view name) const {
  ASSIGN_OR_RETURN(const std::string key, ParseImageName(name));
  if (key == kHostName) return state_->HostInfo();
  const std::lock_guard lock(state_->mutex);
  const auto it = state_->images.find(key);
  if (it == state_->images.end()) return NotFound(key);
  return it->second;
}

std::vector<ImageInfo> ImageStore::List() const {
  std::map<std::string, ImageInfo> images = {{kHostName, state_->HostInfo()}};
  {
    const std::lock_guard lock(state_->mutex);
    images.insert(state_->images.begin(), state_->images.end());
  }
  std::vector<ImageInfo> list;
  list.reserve(images.size());
  for (auto& [name, info] : images) list.push_back(std::move(info));
  return list;
}

LayerStore* ImageStore::layers() { return state_->layers.get(); }

const LayerStore* ImageStore::layers() const { return state_->layers.get(); }

void ImageStore::RemoveUnusedLayers() {
  std::vector<std::string> retired;
  {
    const std::lock_guard lock(state_->mutex);
    if (state_->damaged.empty()) retired = state_->layers->RetireUnused(state_->UsedLayers());
  }
  state_->layers->Remove(retired);
}

uint32_t ImageStore::CountImagesWith(const std::string& key) const {
  const std::lock_guard lock(state_->mutex);
  uint32_t count = 0;
  for (const auto& [name, info] : state_->images) {
    const std::vector<std::string>& layers = info.parts.layers;
    count += std::find(layers.begin(), layers.end(), key) != layers.end() ? 1 : 0;
  }
  return count;
}

std::vector<std::string> ImageStore::damaged() const { return state_->damaged; }

absl::StatusOr<ImageInfo> ImageStore::Commit(std::unique_ptr<Disk> disk, absl::string_view name,
                                             absl::string_view source, const ImageParts& parts) {
  ASSIGN_OR_RETURN(const std::string key, ParseImageName(name));
  if (Find(key).ok()) return Exists(key);
  ASSIGN_OR_RETURN(std::unique_ptr<StagedEntry> staged, state_->entries->Stage(std::move(disk)));
  ASSIGN_OR_RETURN(const std::string content, DigestOf(staged->disk(), !parts.layers.empty()));
  ASSIGN_OR_RETURN(const DiskUsage usage, staged->disk().Usage());
  ImageInfo info{.name = key,
                 .digest = absl::StrCat("sha256:", content),
                 .source = std::string(source),
                 .created = state_->clock->Now(),
                 .bytes_used = usage.bytes_used,
                 .inodes_used = usage.inodes_used,
                 .image_bytes = staged->image_bytes(),
                 .built_in = false,
                 .parts = parts};
  if (!parts.layers.empty()) RETURN_IF_ERROR(CountLayers(*state_->layers, content, &info));
  RETURN_IF_ERROR(CommitStaged(*staged, info));
  return info;
}

absl::Status ImageStore::CommitStaged(StagedEntry& staged, const ImageInfo& info) {
  const std::string record = FormatImageRecord(info);
  // What the next Open would refuse must not get in.
  RETURN_IF_ERROR(ParseImageRecord(record).status());
  RETURN_IF_ERROR(SealedStore::Complete(staged, record));
  {
    // Over store and map, so that a Delete of the same name comes before or after both.
    const std::lock_guard lock(state_->mutex);
    const absl::Status published = state_->entries->Publish(staged, info.name);
    if (absl::IsAlreadyExists(published)) return Exists(info.name);
    RETURN_IF_ERROR(published);
    state_->images.emplace(info.name, info);
  }
  absl::Status settled = state_->entries->Settle();
  if (!settled.ok()) (void)Delete(info.name);  // stays if somebody uses it by now: it is whole
  return settled;
}

absl::Status ImageStore::Verify(absl::string_view name, bool content) {
  ASSIGN_OR_RETURN(ImageInfo info, Find(name));
  if (info.built_in) return absl::OkStatus();
  ASSIGN_OR_RETURN(const Layer own, state_->entries->Lease(info.name, info.image_bytes));
  if (!content) return absl::OkStatus();
  const absl::StatusOr<std::string> found = DigestOf(*own.disk, !info.parts.layers.empty());
  if (!found.ok()) return Damaged(found.status().message());
  const std::string recorded = info.digest;
  info.digest = absl::StrCat("sha256:", *found);
  if (!info.parts.layers.empty()) RETURN_IF_ERROR(CountLayers(*state_->layers, *found, &info));
  if (info.digest == recorded) return absl::OkStatus();
  return Damaged("its own disk holds something else than was recorded");
}

absl::StatusOr<RootLayers> ImageStore::Lease(absl::string_view name) {
  ASSIGN_OR_RETURN(const ImageInfo info, Find(name));
  if (info.built_in) return state_->host->Layers();
  absl::StatusOr<Layer> layer = state_->entries->Lease(info.name, info.image_bytes);
  if (absl::IsNotFound(layer.status())) return NotFound(info.name);  // deleted meanwhile
  RETURN_IF_ERROR(layer.status());
  RootLayers root{.layers = {*layer}, .binds = {}, .environment = EnvironmentOf(info.parts.config)};
  for (auto key = info.parts.layers.rbegin(); key != info.parts.layers.rend(); ++key) {
    absl::StatusOr<Layer> below = state_->layers->Lease(*key);
    if (absl::IsNotFound(below.status())) return NotFound(info.name);  // deleted meanwhile
    RETURN_IF_ERROR(below.status());
    root.layers.push_back(*std::move(below));
  }
  if (!info.parts.layers.empty()) {
    absl::StrAppend(&root.layers[0].subdirectory, "/", LayerStore::kTree);
  }
  return root;
}

absl::StatusOr<RootLayers> ImageStore::LeaseAgain(absl::string_view name,
                                                  absl::string_view digest) {
  ASSIGN_OR_RETURN(const ImageInfo info, Find(name));
  if (info.built_in) return state_->host->LayersOf(digest);
  if (info.digest != digest) return NotFound(absl::StrCat(info.name, "@", digest));
  return Lease(name);
}

absl::Status ImageStore::Delete(absl::string_view name) {
  ASSIGN_OR_RETURN(const ImageInfo info, Find(name));
  if (info.built_in) {
    return DetailedError(absl::StatusCode::kFailedPrecondition,
                         "the image \"host\" is built in and cannot be deleted",
                         {"IMAGE_NAME_RESERVED", {{"image", info.name}}});
  }
  std::vector<std::string> retired;
  std::vector<std::string> layers;
  {
    const std::lock_guard lock(state_->mutex);
    const absl::Status deleted = state_->entries->Retire(info.name, &retired);
    if (absl::IsAborted(deleted)) return InUse(info.name);
    if (absl::IsNotFound(deleted)) return NotFound(info.name);
    RETURN_IF_ERROR(deleted);
    state_->images.erase(info.name);
    layers = state_->layers->RetireUnused(state_->UsedLayers());
  }
  state_->layers->Remove(layers);
  return state_->entries->Remove(retired);
}

}  // namespace glovebox
