// The entries of a directory of our own.
#ifndef GLOVEBOX_SNAPSHOT_DIRECTORY_LIST_H_
#define GLOVEBOX_SNAPSHOT_DIRECTORY_LIST_H_

#include <cstddef>
#include <string>
#include <vector>

#include "absl/status/statusor.h"

namespace glovebox {

// The names in the directory `path` below `directory_fd` (may be AT_FDCWD), sorted by bytes,
// without "." and "..". A symbolic link at `path` is refused. RESOURCE_EXHAUSTED when there are
// more than `names_max`.
absl::StatusOr<std::vector<std::string>> ListDirectoryAt(int directory_fd, const std::string& path,
                                                         size_t names_max);

// The first `names_max` of them, in no order: to remove them, and ask again.
absl::StatusOr<std::vector<std::string>> ListSomeAt(int directory_fd, const std::string& path,
                                                    size_t names_max);

}  // namespace glovebox

#endif  // GLOVEBOX_SNAPSHOT_DIRECTORY_LIST_H_
