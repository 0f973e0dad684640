// What glovebox-importer found of an OCI image, as it tells the daemon, and the form of that. The
// importer has read a hostile image: these bytes are checked as any other.
#ifndef GLOVEBOX_SNAPSHOT_OCI_IMAGE_H_
#define GLOVEBOX_SNAPSHOT_OCI_IMAGE_H_

#include <cstddef>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace glovebox {

// What an image says about commands in it. Data: nothing of it is used on the host.
struct ImageConfig {
  std::vector<std::string> environment;  // "NAME=value", of allowed names, each once
  std::string workdir;                   // absolute, without "." and ".."; "": none
  std::string user;                      // as the image has it
  friend bool operator==(const ImageConfig&, const ImageConfig&) = default;
};

struct OciLayer {
  std::string blob;     // its name in the layout or archive
  std::string digest;   // of those bytes, 64 hex digits; "" where the archive does not say
  std::string diff_id;  // of the tar in them, 64 hex digits
  friend bool operator==(const OciLayer&, const OciLayer&) = default;
};

struct OciImage {
  static constexpr size_t kLayersMax = 128;
  static constexpr size_t kTextBytesMax = 16 * 1024;  // of the environment; of the notes

  std::vector<OciLayer> layers;  // lowest first
  ImageConfig config;
  std::vector<std::string> notes;  // a sentence each, for people
  friend bool operator==(const OciImage&, const OciImage&) = default;
};

// Whether an image may set the variable: those of common tools; none that a loader or a shell
// obeys.
bool ImageMaySet(absl::string_view name);

// OK when it is what FormatOciImage writes: printable text, sizes, names of blobs that stay within
// the source. INVALID_ARGUMENT.
absl::Status CheckImageConfig(const ImageConfig& config);
absl::Status CheckImageNotes(const std::vector<std::string>& notes);

std::string FormatOciImage(const OciImage& image);
// INVALID_ARGUMENT. Takes any bytes.
absl::StatusOr<OciImage> ParseOciImage(absl::string_view json);

}  // namespace glovebox

#endif  // GLOVEBOX_SNAPSHOT_OCI_IMAGE_H_
