#include "tools/glovebox/child_process.h"

#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>

#include "base/status.h"

namespace glovebox {
namespace {

std::vector<char*> Pointers(std::vector<std::string>& words) {
  std::vector<char*> pointers;
  pointers.reserve(words.size() + 1);
  for (std::string& word : words) pointers.push_back(word.data());
  pointers.push_back(nullptr);
  return pointers;
}

}  // namespace

SpawnOptions::SpawnOptions() {
  (void)::posix_spawn_file_actions_init(&actions);  // cannot fail in glibc, nor can the others
  (void)::posix_spawnattr_init(&attributes);
}

SpawnOptions::~SpawnOptions() {
  (void)::posix_spawn_file_actions_destroy(&actions);
  (void)::posix_spawnattr_destroy(&attributes);
}

void SpawnOptions::Give(int fd, int number) {
  // To the same number: clears close-on-exec (posix_spawn_file_actions_adddup2(3)).
  (void)::posix_spawn_file_actions_adddup2(&actions, fd, number);
}

int SpawnProgram(std::vector<std::string> arguments, const SpawnOptions& options, pid_t* pid) {
  return ::posix_spawnp(pid, arguments[0].c_str(), &options.actions, &options.attributes,
                        Pointers(arguments).data(), environ);
}

int SpawnProgram(std::vector<std::string> arguments, std::vector<std::string> environment,
                 const SpawnOptions& options, pid_t* pid) {
  return ::posix_spawnp(pid, arguments[0].c_str(), &options.actions, &options.attributes,
                        Pointers(arguments).data(), Pointers(environment).data());
}

absl::StatusOr<int> WaitForChild(pid_t pid) {
  int status = 0;
  while (::waitpid(pid, &status, 0) < 0) {
    if (errno != EINTR) return ErrnoError(errno, "waitpid");
  }
  return status;
}

}  // namespace glovebox
