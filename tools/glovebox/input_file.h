// What the user names as a file, or pipes in.
#ifndef GLOVEBOX_TOOLS_INPUT_FILE_H_
#define GLOVEBOX_TOOLS_INPUT_FILE_H_

#include <cstddef>
#include <string>

#include "absl/status/statusor.h"
#include "base/unique_fd.h"

namespace glovebox {

// "-": stdin.
absl::StatusOr<UniqueFd> OpenInputFile(const std::string& name);
// At most `size` bytes; "" at the end.
absl::StatusOr<std::string> ReadInput(int fd, size_t size);
// All of it. RESOURCE_EXHAUSTED beyond `bytes_max`.
absl::StatusOr<std::string> ReadInputFile(const std::string& name, size_t bytes_max);

}  // namespace glovebox

#endif  // GLOVEBOX_TOOLS_INPUT_FILE_H_
