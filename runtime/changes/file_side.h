// One side of a file in a patch: mode, id and bytes, read once from below a directory.
#ifndef GLOVEBOX_CHANGES_FILE_SIDE_H_
#define GLOVEBOX_CHANGES_FILE_SIDE_H_

#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "base/unique_fd.h"
#include "changes/budget.h"
#include "changes/change.h"
#include "changes/patch_writer.h"

namespace glovebox {

struct FileSide {
  uint32_t mode = kModeAbsent;
  uint64_t size_bytes = 0;
  std::string id;       // git's blob id
  std::string content;  // the whole of it, unless `streamed`
  UniqueFd streamed;    // valid for files over text_bytes_max
  bool is_binary = false;
};

// The side of a file that does not exist.
FileSide AbsentSide();

// Reads a regular file or a symbolic link. NOT_FOUND or FAILED_PRECONDITION when `path` is
// something else by now; RESOURCE_EXHAUSTED with reason FILE_TOO_LARGE over limits.file_bytes_max.
absl::StatusOr<FileSide> ReadSide(int root_fd, const std::string& path, const PatchLimits& limits,
                                  const TimeAllowance& time);

// Passes the bytes to `consume` in pieces, and proves that they are those that `side.id` was
// computed from: otherwise ABORTED, reason FILE_KEPT_CHANGING.
absl::Status ForEachPiece(const FileSide& side, const std::string& path, const TimeAllowance& time,
                          PatchSink consume);

}  // namespace glovebox

#endif  // GLOVEBOX_CHANGES_FILE_SIDE_H_
