// What the kernel counts of a block device (Documentation/admin-guide/iostats).
#ifndef GLOVEBOX_LINUX_BLOCK_DEVICE_H_
#define GLOVEBOX_LINUX_BLOCK_DEVICE_H_

#include <sys/types.h>

#include <cstdint>
#include <optional>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace glovebox {

struct BlockWrites {
  uint64_t completed = 0;  // writes and discards since the device was made
  uint64_t in_flight = 0;
};

// FAILED_PRECONDITION when the device does not count (queue/iostats is 0).
absl::StatusOr<BlockWrites> ReadBlockWrites(dev_t device);

// The counts in the text of a `stat` and an `inflight` file; nullopt for what is not of their form.
std::optional<BlockWrites> ParseBlockWrites(absl::string_view stat, absl::string_view inflight);

}  // namespace glovebox

#endif  // GLOVEBOX_LINUX_BLOCK_DEVICE_H_
