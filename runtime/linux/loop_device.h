// Loop devices (man 4 loop). A device made here frees itself when its last user (a mount, a
// descriptor) goes.
#ifndef GLOVEBOX_LINUX_LOOP_DEVICE_H_
#define GLOVEBOX_LINUX_LOOP_DEVICE_H_

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <utility>

#include "absl/status/statusor.h"
#include "base/unique_fd.h"

namespace glovebox {

struct LoopDevice {
  UniqueFd fd;       // keep open until the device is mounted; then the mount keeps it
  std::string path;  // "/dev/loopN"
};

// Binds `image_fd` to a free loop device with LO_FLAGS_AUTOCLEAR (and LO_FLAGS_READ_ONLY).
// RESOURCE_EXHAUSTED when the host has no free one after several tries (others take them at the
// same time). Thread-safe.
absl::StatusOr<LoopDevice> AttachLoopDevice(int image_fd, bool read_only);

// The bound devices of this host at one moment, by the file behind each. For a daemon that takes
// over disks which running sandboxes still have mounted: the same block device is the same
// superblock, a second device over the same file would be a second writer.
class LoopDevices {
 public:
  static absl::StatusOr<LoopDevices> List();

  // The device of this file, looked at again; nullopt when there is none.
  absl::StatusOr<std::optional<LoopDevice>> Open(int image_fd, bool read_only) const;

 private:
  std::map<std::pair<uint64_t, uint64_t>, int> numbers_;  // {device, inode} of the file
};

}  // namespace glovebox

#endif  // GLOVEBOX_LINUX_LOOP_DEVICE_H_
