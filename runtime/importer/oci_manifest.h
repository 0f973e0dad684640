// The JSON documents of OCI image layouts and of `docker save`, from bytes that may be anything.
// Pure functions.
#ifndef GLOVEBOX_IMPORTER_OCI_MANIFEST_H_
#define GLOVEBOX_IMPORTER_OCI_MANIFEST_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "snapshot/oci_image.h"

namespace glovebox {

inline constexpr size_t kDocumentBytesMax = 4 << 20;
inline constexpr int kDocumentDepthMax = 32;
inline constexpr size_t kDescriptorsMax = 1000;

// What a document says of another blob.
struct OciDescriptor {
  enum class Kind { kIndex, kManifest, kLayer, kOther };
  Kind kind = Kind::kOther;
  std::string digest;    // 64 hex digits
  std::string platform;  // "linux/amd64"; "": not said
  bool is_image = true;  // not an attestation or the like
};

// index.json, or an index among the blobs.
absl::StatusOr<std::vector<OciDescriptor>> ParseOciIndex(absl::string_view json);

struct OciManifest {
  std::string config;               // digest
  std::vector<std::string> layers;  // digests, lowest first
};
absl::StatusOr<OciManifest> ParseOciManifest(absl::string_view json);

// manifest.json of `docker save`: names of files in the archive. Refused unless it has one image.
absl::StatusOr<OciManifest> ParseDockerManifest(absl::string_view json);

// The config of an image, of both kinds.
struct OciConfigFile {
  std::string platform;               // "linux/amd64"
  std::vector<std::string> diff_ids;  // 64 hex digits, lowest first
  ImageConfig config;
  std::vector<std::string> notes;  // what of it was left out
};
absl::StatusOr<OciConfigFile> ParseOciConfig(absl::string_view json);

}  // namespace glovebox

#endif  // GLOVEBOX_IMPORTER_OCI_MANIFEST_H_
