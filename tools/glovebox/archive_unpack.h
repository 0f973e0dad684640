// A tar stream of a sandbox, which may be hostile, as local files.
#ifndef GLOVEBOX_TOOLS_ARCHIVE_UNPACK_H_
#define GLOVEBOX_TOOLS_ARCHIVE_UNPACK_H_

#include <cstdint>
#include <functional>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "tools/glovebox/copy_names.h"

namespace glovebox {

struct UnpackResult {
  uint64_t entries = 0;
  uint64_t skipped = 0;  // FIFOs and devices; each was noted on stderr
};

// The next piece of the stream; empty at its end.
using PieceSource = std::function<absl::StatusOr<absl::string_view>()>;

// Decides where everything goes when the first member tells whether the source is a directory.
using TargetPlanner = std::function<absl::StatusOr<CopyTarget>(bool source_is_directory)>;

// Unpacks below the planned directory and nowhere else: no absolute name, no "..", no way through a
// symlink, also not for the target of a hard link; no device, FIFO or socket; no setuid, setgid or
// foreign owner. `top` is the name that every member begins with. INVALID_ARGUMENT for a member
// that an honest tar does not write, RESOURCE_EXHAUSTED beyond `stream_bytes_max`; what was
// unpacked before stays.
absl::Status UnpackTree(const PieceSource& source, absl::string_view top,
                        const TargetPlanner& planner, uint64_t stream_bytes_max,
                        UnpackResult* result);

}  // namespace glovebox

#endif  // GLOVEBOX_TOOLS_ARCHIVE_UNPACK_H_
