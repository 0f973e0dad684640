// From an image file to a mount.
#ifndef GLOVEBOX_SNAPSHOT_DISK_ATTACH_H_
#define GLOVEBOX_SNAPSHOT_DISK_ATTACH_H_

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "base/unique_fd.h"
#include "snapshot/disk.h"
#include "snapshot/disk_remover.h"

namespace glovebox {

// A detached mount of an ext4 image through a loop device that goes with it: one of `devices` (may
// be null) that has the image already, else a new one.
absl::StatusOr<UniqueFd> MountImage(const std::string& image_path, bool read_only,
                                    const LoopDevices* devices = nullptr);

class DiskAttacher {
 public:
  // Mounts the image at `mount_path`, which is made. On failure nothing is left but the image.
  static absl::StatusOr<std::unique_ptr<Disk>> Attach(const std::string& image_path,
                                                      const std::string& mount_path, bool read_only,
                                                      std::shared_ptr<DiskRemover> remover,
                                                      const LoopDevices* devices = nullptr);
};

}  // namespace glovebox

#endif  // GLOVEBOX_SNAPSHOT_DISK_ATTACH_H_
