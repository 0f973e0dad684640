// What the store knows of an image, and its form on disk (record.json).
#ifndef GLOVEBOX_SNAPSHOT_IMAGE_RECORD_H_
#define GLOVEBOX_SNAPSHOT_IMAGE_RECORD_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"

namespace glovebox {

struct ImageInfo {
  std::string name;
  std::string digest;  // "sha256:" + content digest of the tree (tree_digest.h)
  std::string source;  // the path as the client gave it; for people
  absl::Time created;
  uint64_t bytes_used = 0;  // of the disk; 0 for `host`
  uint64_t inodes_used = 0;
  uint64_t image_bytes = 0;  // apparent size of disk.img (sparse)
  bool built_in = false;
};

// Starts with a letter or digit: 1 to 63 of [a-z0-9._-], the last one alphanumeric too.
// INVALID_ARGUMENT.
absl::StatusOr<std::string> ParseImageName(absl::string_view name);

std::string FormatImageRecord(const ImageInfo& info);

// DATA_LOSS when `json` is not a record that FormatImageRecord can have written. Takes any bytes.
absl::StatusOr<ImageInfo> ParseImageRecord(absl::string_view json);

// What a command in an image finds in its environment unless its sandbox says otherwise.
std::vector<std::string> DefaultImageEnvironment();

}  // namespace glovebox

#endif  // GLOVEBOX_SNAPSHOT_IMAGE_RECORD_H_
