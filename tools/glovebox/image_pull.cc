#include "tools/glovebox/image_pull.h"

#include <sys/wait.h>

#include <cerrno>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "tools/glovebox/child_process.h"

namespace glovebox {
namespace {

absl::Status RunSkopeo(std::vector<std::string> arguments, int alive_fd) {
  SpawnOptions options;
  options.Give(alive_fd, alive_fd);
  pid_t pid = -1;
  const int error = SpawnProgram(std::move(arguments), options, &pid);
  if (error == ENOENT) {
    return absl::FailedPreconditionError(
        "pulling needs skopeo, which is not here: install skopeo (apt-get install skopeo), or give "
        "an OCI image layout or an archive of `docker save`");
  }
  if (error != 0) return ErrnoError(error, "start skopeo");
  ASSIGN_OR_RETURN(const int status, WaitForChild(pid));
  if (WIFEXITED(status) && WEXITSTATUS(status) == 0) return absl::OkStatus();
  return absl::FailedPreconditionError("skopeo could not fetch the image");
}

}  // namespace

absl::StatusOr<std::unique_ptr<PulledImage>> PullImage(const std::string& reference,
                                                       bool plain_http) {
  ASSIGN_OR_RETURN(auto directory, ScratchDirectory::Make("pull"));
  auto pulled = std::make_unique<PulledImage>(std::move(directory));
  std::vector<std::string> arguments = {"skopeo", "copy", "--quiet"};
  if (plain_http) arguments.emplace_back("--src-tls-verify=false");
  arguments.push_back(reference);
  arguments.push_back(absl::StrCat("oci:", pulled->layout(), ":image"));
  RETURN_IF_ERROR(RunSkopeo(std::move(arguments), pulled->alive_fd()));
  return pulled;
}

}  // namespace glovebox
