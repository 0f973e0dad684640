// A program of ours in a process of its own, with a socket for messages between it and the daemon.
#ifndef GLOVEBOX_DAEMON_CONTROLLED_PROCESS_H_
#define GLOVEBOX_DAEMON_CONTROLLED_PROCESS_H_

#include <sys/types.h>

#include <string>
#include <utility>

#include "absl/status/statusor.h"
#include "base/unique_fd.h"

namespace glovebox {

// One thread, which is the one that started it: the program has the kernel kill it when that thread
// ends. Moved from: has none.
class ControlledProcess {
 public:
  // `program_fd`: a sealed memfd. The program is called `name`, and has its end of the socket
  // (SOCK_SEQPACKET) as its descriptor `their_fd`, and no other besides 0-2.
  static absl::StatusOr<ControlledProcess> Start(int program_fd, const std::string& name,
                                                 int their_fd);
  ~ControlledProcess();  // killed and reaped
  ControlledProcess(ControlledProcess&&) = default;
  ControlledProcess& operator=(ControlledProcess&&) = delete;

  int control_fd() const { return control_.get(); }
  pid_t pid() const { return pid_; }
  // Kills it if it lives, and says how it ended.
  std::string End();

 private:
  ControlledProcess(UniqueFd control, UniqueFd pidfd, pid_t pid)
      : control_(std::move(control)), pidfd_(std::move(pidfd)), pid_(pid) {}

  UniqueFd control_;
  UniqueFd pidfd_;  // invalid: reaped
  pid_t pid_;
};

}  // namespace glovebox

#endif  // GLOVEBOX_DAEMON_CONTROLLED_PROCESS_H_
