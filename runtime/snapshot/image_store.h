// Named images: root file systems that sandboxes start from, each a sealed disk, and `host`.
//
//   <directory>/images/<name>/disk.img      sealed ext4 image; its root/ is the overlay lowerdir
//   <directory>/images/<name>/record.json   what it is (image_record.h)
//
// An OCI image has shared layers below its own disk (layer_store.h).
//
// Committed, verified and leased as snapshots are (snapshot_store.h).
#ifndef GLOVEBOX_SNAPSHOT_IMAGE_STORE_H_
#define GLOVEBOX_SNAPSHOT_IMAGE_STORE_H_

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "base/clock.h"
#include "snapshot/disk.h"
#include "snapshot/host_image.h"
#include "snapshot/image_record.h"
#include "snapshot/layer.h"
#include "snapshot/layer_store.h"
#include "snapshot/sealed_store.h"

namespace glovebox {

class ImageStore {
 public:
  static constexpr char kHostName[] = "host";

  // `directory` exists. `disks`, `host` and `clock` outlive the store; leases may outlive it.
  static absl::StatusOr<std::unique_ptr<ImageStore>> Open(const std::string& directory,
                                                          DiskFactory* disks, const HostImage* host,
                                                          const Clock* clock);
  ~ImageStore();

  // All are thread-safe. A malformed name is INVALID_ARGUMENT, an unknown one NOT_FOUND with reason
  // IMAGE_NOT_FOUND.
  absl::StatusOr<ImageInfo> Find(absl::string_view name) const;
  std::vector<ImageInfo> List() const;       // by name; `host` included
  std::vector<std::string> damaged() const;  // directories that Open refused, with the reason

  // Seals `disk`, whose root/ holds the tree, under `name`. ALREADY_EXISTS with reason
  // IMAGE_EXISTS; FAILED_PRECONDITION with reason CONTENT_REFUSED as in SnapshotStore::Commit.
  // With `parts`, root/ is an upper over their layers, which the caller holds leases of.
  absl::StatusOr<ImageInfo> Commit(std::unique_ptr<Disk> disk, absl::string_view name,
                                   absl::string_view source, const ImageParts& parts = {});

  LayerStore* layers();
  const LayerStore* layers() const;
  // What imports put there that came to nothing goes; what is leased stays. Not when images were
  // damaged at Open: whose layers are whose is not known then.
  void RemoveUnusedLayers();
  // How many images have the layer.
  uint32_t CountImagesWith(const std::string& key) const;

  // Uppermost layer first. Holding the layers keeps the image.
  absl::StatusOr<RootLayers> Lease(absl::string_view name);

  // The image of this name with exactly this content, for a sandbox that was made from it: `host`
  // in the generation of that time. NOT_FOUND with reason IMAGE_NOT_FOUND when it is another by
  // now.
  absl::StatusOr<RootLayers> LeaseAgain(absl::string_view name, absl::string_view digest);

  // FAILED_PRECONDITION with reason IMAGE_IN_USE while leased, IMAGE_NAME_RESERVED for `host`.
  absl::Status Delete(absl::string_view name);

  // DATA_LOSS when it is not as it was recorded, its layers apart. `content`: what its own disk has
  // is read and compared with the digest.
  absl::Status Verify(absl::string_view name, bool content);

 private:
  struct State;
  absl::Status CommitStaged(StagedEntry& staged, const ImageInfo& info);
  explicit ImageStore(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace glovebox

#endif  // GLOVEBOX_SNAPSHOT_IMAGE_STORE_H_
