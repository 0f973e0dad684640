// What the store knows of an image, and its form on disk (record.json).
#ifndef GLOVEBOX_SNAPSHOT_IMAGE_RECORD_H_
#define GLOVEBOX_SNAPSHOT_IMAGE_RECORD_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "snapshot/oci_image.h"

namespace glovebox {

// Of shared layers; the launch plan has room for one more, the image's own, and for a snapshot's.
inline constexpr size_t kImageLayersMax = 7;

// What an image has besides the disk of its own; nothing when it was made of a tar file.
struct ImageParts {
  std::vector<std::string> layers;  // keys of shared layers (layer_store.h), lowest first
  ImageConfig config;
  std::vector<std::string> notes;  // what of the source was left out; for people
};

struct ImageInfo {
  std::string name;
  // "sha256:" + content digest of the tree (tree_digest.h); with shared layers, the digest of
  // theirs and of what its own disk adds.
  std::string digest;
  std::string source;  // the path as the client gave it; for people
  absl::Time created;
  uint64_t bytes_used = 0;  // of all disks, shared layers' too; 0 for `host`
  uint64_t inodes_used = 0;
  uint64_t image_bytes = 0;  // apparent size of its own disk.img (sparse)
  bool built_in = false;
  ImageParts parts = {};
};

// Starts with a letter or digit: 1 to 63 of [a-z0-9._-], the last one alphanumeric too.
// INVALID_ARGUMENT.
absl::StatusOr<std::string> ParseImageName(absl::string_view name);

std::string FormatImageRecord(const ImageInfo& info);

// DATA_LOSS when `json` is not a record that FormatImageRecord can have written. Takes any bytes.
absl::StatusOr<ImageInfo> ParseImageRecord(absl::string_view json);

// The environment of commands: the default, and what the image sets of it or besides.
std::vector<std::string> EnvironmentOf(const ImageConfig& config);

// What a command in an image finds in its environment unless its sandbox says otherwise.
std::vector<std::string> DefaultImageEnvironment();

}  // namespace glovebox

#endif  // GLOVEBOX_SNAPSHOT_IMAGE_RECORD_H_
