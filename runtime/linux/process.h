// Processes by pidfd, and the few host tools that the daemon runs.
#ifndef GLOVEBOX_LINUX_PROCESS_H_
#define GLOVEBOX_LINUX_PROCESS_H_

#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/unique_fd.h"

namespace glovebox {

// pidfd_send_signal(2). A process that has ended is fine.
absl::Status SignalPidFd(int pidfd, int signal);

// Waits until the process behind `pidfd` has ended (it need not be a child): DEADLINE_EXCEEDED
// after `timeout_ms`.
absl::Status WaitPidFd(int pidfd, int timeout_ms);

// Kills the child behind `*pidfd` if it lives, reaps it, closes the pidfd and says how it ended:
// "exit status 1", "signal 9". Waits until it is dead.
std::string EndChild(UniqueFd* pidfd);

struct SpawnedProcess {
  UniqueFd pidfd;
  pid_t pid;  // a child; its parent must reap it with waitid(P_PIDFD)
};

// Starts a program from an open file (a sealed memfd), with exactly the descriptors given: {ours,
// number there}; 0-2 are /dev/null unless given. Every descriptor of this process above 2 becomes
// close-on-exec. Environment empty. posix_spawn semantics: nothing
// of ours runs between fork and exec.
absl::StatusOr<SpawnedProcess> SpawnFromFd(int executable_fd, const std::vector<std::string>& args,
                                           const std::vector<std::pair<int, int>>& fds);

// Runs a trusted tool of the host (an absolute path, fixed arguments, empty environment but PATH,
// no stdin) on files that only this daemon wrote; fails with its output (at most 4 KiB) when it
// exits other than 0 or takes over `timeout_ms`.
absl::Status RunHostTool(const std::vector<std::string>& args, int timeout_ms);

}  // namespace glovebox

#endif  // GLOVEBOX_LINUX_PROCESS_H_
