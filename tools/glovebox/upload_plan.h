// What `snapshot import --upload` sends: a tar file as one blob, or a directory as a Tree
// (glovebox/v1/tree.proto) and the blobs of its files. Reads this host's files; sends nothing.
#ifndef GLOVEBOX_TOOLS_UPLOAD_PLAN_H_
#define GLOVEBOX_TOOLS_UPLOAD_PLAN_H_

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "base/unique_fd.h"
#include "glovebox/v1/types.pb.h"

namespace glovebox {

struct UploadBlob {
  v1::Digest digest;
  std::string file;   // below the directory, or of the tar file
  std::string bytes;  // of what is no file: the Tree
};

struct UploadPlan {
  bool is_tree = false;
  v1::Digest root;                // of the Tree or the tar file
  std::vector<UploadBlob> blobs;  // each digest once; not the empty one
  uint64_t bytes = 0;
  UniqueFd directory;  // that `file` is below

  // What the blob has from `offset` on, at most `size` bytes. INVALID_ARGUMENT when its file became
  // shorter.
  absl::StatusOr<std::string> Read(const UploadBlob& blob, uint64_t offset, size_t size) const;
};

// Told of each file: how many and how many bytes so far.
using PlanProgress = std::function<void(uint64_t files, uint64_t bytes)>;

// Reads and digests all of the directory or tar file. Symbolic links below it are not followed;
// file systems mounted below it are not entered. INVALID_ARGUMENT, with the name, for what no
// snapshot takes.
absl::StatusOr<UploadPlan> PlanUpload(const std::string& path, const PlanProgress& progress);

}  // namespace glovebox

#endif  // GLOVEBOX_TOOLS_UPLOAD_PLAN_H_
