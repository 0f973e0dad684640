// An image of a registry as an OCI image layout in a directory of the client's. skopeo fetches it,
// as the calling user, with that user's credentials and policy; the daemon has no network for this.
#ifndef GLOVEBOX_TOOLS_IMAGE_PULL_H_
#define GLOVEBOX_TOOLS_IMAGE_PULL_H_

#include <memory>
#include <string>

#include "absl/status/statusor.h"

namespace glovebox {

// Removed with what is in it.
class PulledImage {
 public:
  explicit PulledImage(std::string directory) : directory_(std::move(directory)) {}
  PulledImage(const PulledImage&) = delete;
  PulledImage& operator=(const PulledImage&) = delete;
  ~PulledImage();

  std::string layout() const { return directory_ + "/layout"; }

 private:
  const std::string directory_;
};

// `reference`: docker://HOST/NAME:TAG. FAILED_PRECONDITION when there is no skopeo, or it fails;
// what it says goes to stderr.
absl::StatusOr<std::unique_ptr<PulledImage>> PullImage(const std::string& reference,
                                                       bool plain_http);

}  // namespace glovebox

#endif  // GLOVEBOX_TOOLS_IMAGE_PULL_H_
