// GIT binary patches: base 85 lines, deflate, and git's delta format.
#ifndef GLOVEBOX_PATCH_BINARY_PATCH_H_
#define GLOVEBOX_PATCH_BINARY_PATCH_H_

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "patch/line_cursor.h"
#include "patch/patch.h"

namespace glovebox {

// From the line after "GIT binary patch"; also passes over the reverse half, if there is one.
// PATCH_MALFORMED; PATCH_LIMIT beyond kPatchedFileBytesMax.
absl::StatusOr<BinaryHunk> ParseBinary(LineCursor* lines);

// The result of a delta on `base`. INVALID_ARGUMENT: it is none, or for content of another size.
absl::StatusOr<std::string> ApplyDelta(absl::string_view base, absl::string_view delta);

// git's name of a file's content, in hex.
std::string BlobNameOf(absl::string_view content);

}  // namespace glovebox

#endif  // GLOVEBOX_PATCH_BINARY_PATCH_H_
