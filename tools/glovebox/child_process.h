// Programs that the client runs as its own user.
#ifndef GLOVEBOX_TOOLS_CHILD_PROCESS_H_
#define GLOVEBOX_TOOLS_CHILD_PROCESS_H_

#include <spawn.h>
#include <sys/types.h>

#include <string>
#include <vector>

#include "absl/status/statusor.h"

namespace glovebox {

// posix_spawn(3)'s, by value.
struct SpawnOptions {
  SpawnOptions();
  ~SpawnOptions();
  SpawnOptions(const SpawnOptions&) = delete;
  SpawnOptions& operator=(const SpawnOptions&) = delete;
  // `fd` is `number` there, also when it is close-on-exec here.
  void Give(int fd, int number);

  posix_spawn_file_actions_t actions;
  posix_spawnattr_t attributes;
};

// posix_spawnp(3)'s answer, an errno. The first of `arguments` is the program, looked for in PATH;
// `environment` of "NAME=value", or this process's own.
int SpawnProgram(std::vector<std::string> arguments, const SpawnOptions& options, pid_t* pid);
int SpawnProgram(std::vector<std::string> arguments, std::vector<std::string> environment,
                 const SpawnOptions& options, pid_t* pid);

// What waitpid(2) says of its end.
absl::StatusOr<int> WaitForChild(pid_t pid);

}  // namespace glovebox

#endif  // GLOVEBOX_TOOLS_CHILD_PROCESS_H_
