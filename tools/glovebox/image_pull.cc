#include "tools/glovebox/image_pull.h"

#include <fcntl.h>
#include <spawn.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/escape.h"
#include "base/status.h"

namespace glovebox {
namespace {

// posix_spawn(3) by value.
struct SpawnOptions {
  SpawnOptions() {
    (void)::posix_spawn_file_actions_init(&actions);  // cannot fail in glibc, nor can the others
    (void)::posix_spawnattr_init(&attributes);
  }
  ~SpawnOptions() {
    (void)::posix_spawn_file_actions_destroy(&actions);
    (void)::posix_spawnattr_destroy(&attributes);
  }
  SpawnOptions(const SpawnOptions&) = delete;
  SpawnOptions& operator=(const SpawnOptions&) = delete;

  posix_spawn_file_actions_t actions;
  posix_spawnattr_t attributes;
};

// posix_spawnp's answer.
int Spawn(std::vector<std::string> arguments, const SpawnOptions& options, pid_t* pid) {
  std::vector<char*> pointers;
  pointers.reserve(arguments.size() + 1);
  for (std::string& argument : arguments) pointers.push_back(argument.data());
  pointers.push_back(nullptr);
  return ::posix_spawnp(pid, pointers[0], &options.actions, &options.attributes, pointers.data(),
                        environ);
}

absl::StatusOr<int> WaitFor(pid_t pid) {
  int status = 0;
  while (::waitpid(pid, &status, 0) < 0) {
    if (errno != EINTR) return ErrnoError(errno, "waitpid");
  }
  return status;
}

absl::Status RunSkopeo(std::vector<std::string> arguments, int alive_fd) {
  SpawnOptions options;
  // To the same number: clears close-on-exec (posix_spawn_file_actions_adddup2(3)).
  (void)::posix_spawn_file_actions_adddup2(&options.actions, alive_fd, alive_fd);
  pid_t pid = -1;
  const int error = Spawn(std::move(arguments), options, &pid);
  if (error == ENOENT) {
    return absl::FailedPreconditionError(
        "pulling needs skopeo, which is not here: install skopeo (apt-get install skopeo), or give "
        "an OCI image layout or an archive of `docker save`");
  }
  if (error != 0) return ErrnoError(error, "start skopeo");
  ASSIGN_OR_RETURN(const int status, WaitFor(pid));
  if (WIFEXITED(status) && WEXITSTATUS(status) == 0) return absl::OkStatus();
  return absl::FailedPreconditionError("skopeo could not fetch the image");
}

}  // namespace

PulledImage::~PulledImage() {
  alive_.Reset();
  (void)WaitFor(remover_);  // what cannot be removed stays visible there
}

absl::StatusOr<std::unique_ptr<PulledImage>> PulledImage::Make() {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) return ErrnoError(errno, "pipe2");
  const UniqueFd ended(ends[0]);
  UniqueFd alive(ends[1]);
  const char* parent = std::getenv("TMPDIR");
  std::string directory =
      absl::StrCat(parent != nullptr && *parent == '/' ? parent : "/tmp", "/glovebox-pull-XXXXXX");
  if (::mkdtemp(directory.data()) == nullptr) {
    return ErrnoError(errno, absl::StrCat("mkdtemp ", EscapeForPeople(directory)));
  }
  SpawnOptions options;
  (void)::posix_spawn_file_actions_adddup2(&options.actions, ended.get(), STDIN_FILENO);
  // Of no terminal: what interrupts this program does not reach it.
  (void)::posix_spawnattr_setflags(&options.attributes, POSIX_SPAWN_SETSID);
  pid_t remover = -1;
  const int error = Spawn({"/bin/sh", "-c", "read -r end; /bin/rm -rf -- \"$1\"", "sh", directory},
                          options, &remover);
  if (error != 0) {
    (void)::rmdir(directory.c_str());
    return ErrnoError(error, "start sh");
  }
  return std::unique_ptr<PulledImage>(
      new PulledImage(std::move(directory), std::move(alive), remover));
}

absl::StatusOr<std::unique_ptr<PulledImage>> PullImage(const std::string& reference,
                                                       bool plain_http) {
  ASSIGN_OR_RETURN(std::unique_ptr<PulledImage> pulled, PulledImage::Make());
  std::vector<std::string> arguments = {"skopeo", "copy", "--quiet"};
  if (plain_http) arguments.emplace_back("--src-tls-verify=false");
  arguments.push_back(reference);
  arguments.push_back(absl::StrCat("oci:", pulled->layout(), ":image"));
  RETURN_IF_ERROR(RunSkopeo(std::move(arguments), pulled->alive_fd()));
  return pulled;
}

}  // namespace glovebox
