// One digest for a directory tree, computed by descriptors so that nothing in the tree can lead the
// walk out of it.
#ifndef GLOVEBOX_SNAPSHOT_TREE_DIGEST_H_
#define GLOVEBOX_SNAPSHOT_TREE_DIGEST_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"

namespace glovebox {

struct TreeDigestOptions {
  std::vector<std::string> left_out;  // paths relative to the root, e.g. "workspace/.git"
  uint64_t entries_max = 4'000'000;
  int depth_max = 256;
};

// SHA-256 as 64 hex digits over, for every entry in byte order of names: its path, type, permission
// bits, owner, and the SHA-256 of a regular file's bytes or the target of a symbolic link. Times,
// inode numbers, hard links and extended attributes do not count.
//
// The tree must not change meanwhile (a sealed disk). What is left out does not count, but is
// looked through for refused content all the same. FAILED_PRECONDITION with reason CONTENT_REFUSED
// for what a layer must not hold, with the path: character and block devices, and the overlay
// attributes redirect and metacopy, with which a layer could name files that its own walk does not
// show. RESOURCE_EXHAUSTED with reason TREE_TOO_LARGE beyond the limits. Takes an O_RDONLY
// directory descriptor and leaves it open.
absl::StatusOr<std::string> DigestTree(int root_fd, const TreeDigestOptions& options);

}  // namespace glovebox

#endif  // GLOVEBOX_SNAPSHOT_TREE_DIGEST_H_
