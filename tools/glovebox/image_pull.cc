#include "tools/glovebox/image_pull.h"

#include <spawn.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <filesystem>
#include <system_error>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/escape.h"
#include "base/status.h"

namespace glovebox {
namespace {

absl::Status RunSkopeo(std::vector<std::string> arguments) {
  std::vector<char*> pointers;
  pointers.reserve(arguments.size() + 1);
  for (std::string& argument : arguments) pointers.push_back(argument.data());
  pointers.push_back(nullptr);
  pid_t pid = -1;
  const int error = ::posix_spawnp(&pid, "skopeo", nullptr, nullptr, pointers.data(), environ);
  if (error == ENOENT) {
    return absl::FailedPreconditionError(
        "pulling needs skopeo, which is not here: install skopeo (apt-get install skopeo), or give "
        "an OCI image layout or an archive of `docker save`");
  }
  if (error != 0) return ErrnoError(error, "start skopeo");
  int status = 0;
  while (::waitpid(pid, &status, 0) < 0) {
    if (errno != EINTR) return ErrnoError(errno, "wait for skopeo");
  }
  if (WIFEXITED(status) && WEXITSTATUS(status) == 0) return absl::OkStatus();
  return absl::FailedPreconditionError("skopeo could not fetch the image");
}

}  // namespace

PulledImage::~PulledImage() {
  std::error_code ignored;  // what cannot be removed stays visible there
  std::filesystem::remove_all(directory_, ignored);
}

absl::StatusOr<std::unique_ptr<PulledImage>> PullImage(const std::string& reference,
                                                       bool plain_http) {
  const char* parent = std::getenv("TMPDIR");
  std::string directory =
      absl::StrCat(parent != nullptr && *parent == '/' ? parent : "/tmp", "/glovebox-pull-XXXXXX");
  if (::mkdtemp(directory.data()) == nullptr) {
    return ErrnoError(errno, absl::StrCat("mkdtemp ", EscapeForPeople(directory)));
  }
  auto pulled = std::make_unique<PulledImage>(directory);
  std::vector<std::string> arguments = {"skopeo", "copy", "--quiet"};
  if (plain_http) arguments.emplace_back("--src-tls-verify=false");
  arguments.push_back(reference);
  arguments.push_back(absl::StrCat("oci:", pulled->layout(), ":image"));
  RETURN_IF_ERROR(RunSkopeo(std::move(arguments)));
  return pulled;
}

}  // namespace glovebox
