// Loop devices (man 4 loop). A device made here frees itself when its last user (a mount, a
// descriptor) goes.
#ifndef GLOVEBOX_LINUX_LOOP_DEVICE_H_
#define GLOVEBOX_LINUX_LOOP_DEVICE_H_

#include <string>

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

}  // namespace glovebox

#endif  // GLOVEBOX_LINUX_LOOP_DEVICE_H_
