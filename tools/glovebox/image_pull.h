// An image of a registry as an OCI image layout in a directory of the client's. skopeo fetches it,
// as the calling user, with that user's credentials and policy; the daemon has no network for this.
#ifndef GLOVEBOX_TOOLS_IMAGE_PULL_H_
#define GLOVEBOX_TOOLS_IMAGE_PULL_H_

#include <memory>
#include <string>
#include <utility>

#include "absl/status/statusor.h"
#include "tools/glovebox/scratch_directory.h"

namespace glovebox {

// There as long as this lives.
class PulledImage {
 public:
  explicit PulledImage(std::unique_ptr<ScratchDirectory> directory)
      : directory_(std::move(directory)) {}

  std::string layout() const { return directory_->path() + "/layout"; }
  // Who fetches has it too: what still writes there is waited for.
  int alive_fd() const { return directory_->alive_fd(); }

 private:
  const std::unique_ptr<ScratchDirectory> directory_;
};

// `reference`: docker://HOST/NAME:TAG. FAILED_PRECONDITION when there is no skopeo, or it fails;
// what it says goes to stderr.
absl::StatusOr<std::unique_ptr<PulledImage>> PullImage(const std::string& reference,
                                                       bool plain_http);

}  // namespace glovebox

#endif  // GLOVEBOX_TOOLS_IMAGE_PULL_H_
