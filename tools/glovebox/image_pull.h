// An image of a registry as an OCI image layout in a directory of the client's. skopeo fetches it,
// as the calling user, with that user's credentials and policy; the daemon has no network for this.
#ifndef GLOVEBOX_TOOLS_IMAGE_PULL_H_
#define GLOVEBOX_TOOLS_IMAGE_PULL_H_

#include <sys/types.h>

#include <memory>
#include <string>
#include <utility>

#include "absl/status/statusor.h"
#include "base/unique_fd.h"

namespace glovebox {

// Removed with what is in it, also when this program is killed: by a process that waits for that.
class PulledImage {
 public:
  static absl::StatusOr<std::unique_ptr<PulledImage>> Make();
  PulledImage(const PulledImage&) = delete;
  PulledImage& operator=(const PulledImage&) = delete;
  // Returns when it is gone.
  ~PulledImage();

  std::string layout() const { return directory_ + "/layout"; }
  // Who fetches has it too: what still writes there is waited for.
  int alive_fd() const { return alive_.get(); }

 private:
  PulledImage(std::string directory, UniqueFd alive, pid_t remover)
      : directory_(std::move(directory)), alive_(std::move(alive)), remover_(remover) {}

  const std::string directory_;
  UniqueFd alive_;
  const pid_t remover_;
};

// `reference`: docker://HOST/NAME:TAG. FAILED_PRECONDITION when there is no skopeo, or it fails;
// what it says goes to stderr.
absl::StatusOr<std::unique_ptr<PulledImage>> PullImage(const std::string& reference,
                                                       bool plain_http);

}  // namespace glovebox

#endif  // GLOVEBOX_TOOLS_IMAGE_PULL_H_
