// One digest for a directory tree, and the list of what it counts (manifest.h), taken by
// descriptors so that nothing in the tree can lead the walk out of it.
#ifndef GLOVEBOX_SNAPSHOT_TREE_DIGEST_H_
#define GLOVEBOX_SNAPSHOT_TREE_DIGEST_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/sha256.h"

namespace glovebox {

// Of the names of a tree, as Walk counts them: what the host keeps of a tree in memory while it
// looks at it is of this size, whoever made the tree. A million files with paths of 100 bytes fit.
inline constexpr uint64_t kTreeBytesMax = uint64_t{256} << 20;

// One entry of a tree, with all that counts of it.
struct TreeEntry {
  // What an entry of a layer says of the layers below it.
  enum class Mark { kNone, kWhiteout, kOpaque };

  std::string path;  // relative to the root
  uint32_t mode = 0, uid = 0, gid = 0;
  std::string data;  // of a regular file: SHA-256, 64 hex digits; of a symbolic link: its target
  Mark mark = Mark::kNone;  // kWhiteout: nothing else is set; kOpaque: a directory

  // What it counts of kTreeBytesMax; more than its line of a manifest has.
  uint64_t bytes() const { return path.size() + data.size() + kOwnBytes; }
  static constexpr uint64_t kOwnBytes = 64;

  friend bool operator==(const TreeEntry&, const TreeEntry&) = default;
};

struct TreeDigestOptions {
  std::vector<std::string> left_out;  // paths relative to the root, e.g. "workspace/.git"
  uint64_t entries_max = 4'000'000;
  uint64_t bytes_max = kTreeBytesMax;
  int depth_max = 256;
  // The tree is an overlay layer over others: whiteouts and opaque directories are told as marks.
  bool is_delta = false;
};

// RESOURCE_EXHAUSTED with reason TREE_TOO_LARGE: the entries of a tree count more than
// kTreeBytesMax.
absl::Status TreeListTooLarge(uint64_t bytes_max = kTreeBytesMax);

// Calls `visit` for every entry that counts, a directory before what it holds, names in byte order.
// Errors as of DigestTree.
absl::Status WalkTree(int root_fd, const TreeDigestOptions& options,
                      absl::FunctionRef<void(const TreeEntry&)> visit);

// What DigestTree takes of an entry without a mark.
void AddToDigest(const TreeEntry& entry, Sha256* digest);

// SHA-256 as 64 hex digits over, for every entry in byte order of names: its path, type, permission
// bits, owner, and the SHA-256 of a regular file's bytes or the target of a symbolic link. Times,
// inode numbers, hard links and extended attributes do not count.
//
// The tree must not change meanwhile (a sealed disk). What is left out does not count, but is
// looked through for refused content all the same. FAILED_PRECONDITION with reason CONTENT_REFUSED
// for what a layer must not hold, with the path: character and block devices (but whiteouts, 0:0,
// in a delta), and the overlay attributes redirect and metacopy, with which a layer could name
// files that its own walk does not show, whiteout, which overlayfs never writes in a sandbox, and
// opaque with another value than "y". RESOURCE_EXHAUSTED with reason TREE_TOO_LARGE beyond the
// limits. Takes an O_RDONLY directory descriptor and leaves it open.
absl::StatusOr<std::string> DigestTree(int root_fd, const TreeDigestOptions& options);

}  // namespace glovebox

#endif  // GLOVEBOX_SNAPSHOT_TREE_DIGEST_H_
