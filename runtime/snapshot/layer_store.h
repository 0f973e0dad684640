// Layers of OCI images: each a sealed disk with what it changes of the layers below it, kept once
// however many images have it.
//
//   <directory>/image-layers/<key>/disk.img      sealed ext4; its root/image-root is the lowerdir
//
//   <directory>/image-layers/<key>/record.json   what it is
//
// A key is 64 hex digits that name the layer and all below it. Committed, verified and leased as
// snapshots are (snapshot_store.h). A layer goes when the last image that has it does.
#ifndef GLOVEBOX_SNAPSHOT_LAYER_STORE_H_
#define GLOVEBOX_SNAPSHOT_LAYER_STORE_H_

#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "snapshot/disk.h"
#include "snapshot/layer.h"
#include "snapshot/sealed_store.h"

namespace glovebox {

struct LayerInfo {
  std::string key;
  std::string content_digest;  // 64 hex digits; of the layer alone, with its marks
  uint64_t bytes_used = 0;     // of the disk
  uint64_t inodes_used = 0;
  uint64_t image_bytes = 0;  // apparent size of disk.img
};

std::string FormatLayerRecord(const LayerInfo& info);
// DATA_LOSS when `json` is not a record that FormatLayerRecord can have written. Takes any bytes.
absl::StatusOr<LayerInfo> ParseLayerRecord(absl::string_view json);

// Thread-safe.
class LayerStore {
 public:
  // The directory of a disk's root/ that is the lowerdir: a worker that makes the next layer is
  // shown root/ over its own image, and finds the tree there.
  static constexpr char kTree[] = "image-root";

  static absl::StatusOr<std::unique_ptr<LayerStore>> Open(const std::string& directory,
                                                          DiskFactory* disks);

  std::optional<LayerInfo> Find(const std::string& key) const;
  std::vector<std::string> damaged() const { return damaged_; }

  // Seals `disk` and keeps it as `key`; one that is there wins. Errors as of
  // SnapshotStore::Commit.
  absl::StatusOr<LayerInfo> Commit(std::unique_ptr<Disk> disk, const std::string& key);

  // subdirectory is root/image-root. NOT_FOUND.
  absl::StatusOr<Layer> Lease(const std::string& key);

  // Every layer that is neither in `used` nor leased is gone; their files go by Remove.
  std::vector<std::string> RetireUnused(const std::set<std::string>& used);
  void Remove(const std::vector<std::string>& retired);

  // DATA_LOSS with reason SNAPSHOT_DAMAGED when it is not as it was recorded. `content`: all of it
  // is read. NOT_FOUND.
  absl::Status Verify(const std::string& key, bool content);
  std::vector<std::string> Keys() const;

 private:
  LayerStore() = default;
  absl::StatusOr<LayerInfo> Keep(StagedEntry& staged, const LayerInfo& info);

  std::unique_ptr<SealedStore> entries_;
  std::vector<std::string> damaged_;  // not changed after Open
  mutable std::mutex mutex_;
  std::map<std::string, LayerInfo> layers_;  // by key
};

}  // namespace glovebox

#endif  // GLOVEBOX_SNAPSHOT_LAYER_STORE_H_
