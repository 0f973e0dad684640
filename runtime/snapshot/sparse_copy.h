// Copies of sparse files.
#ifndef GLOVEBOX_SNAPSHOT_SPARSE_COPY_H_
#define GLOVEBOX_SNAPSHOT_SPARSE_COPY_H_

#include <functional>

#include "absl/status/status.h"

namespace glovebox {

// Makes `to_fd` the same as `from_fd` by sharing its blocks (FICLONE), which takes as long however
// large it is. UNIMPLEMENTED where the file system cannot (ext4).
absl::Status ShareBlocks(int from_fd, int to_fd);

// Asked between the parts of a long copy; true ends it with ABORTED. Null: never.
using GivenUp = std::function<bool()>;

// Copies a file without its holes: by sharing blocks where the file system can, else the ranges
// that hold data. `to_fd` is empty. RESOURCE_EXHAUSTED when there is no room.
absl::Status CopySparse(int from_fd, int to_fd, const GivenUp& given_up = nullptr);

// Makes `to_fd`, an earlier copy, the same as `from_fd` again. Reads both and writes what differs,
// which is several times as fast as copying: the pages are there already.
absl::Status UpdateCopy(int from_fd, int to_fd, const GivenUp& given_up = nullptr);

}  // namespace glovebox

#endif  // GLOVEBOX_SNAPSHOT_SPARSE_COPY_H_
