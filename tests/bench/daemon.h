// A gloveboxd of the benchmark's own, with private state and socket.
#ifndef GLOVEBOX_TESTS_BENCH_DAEMON_H_
#define GLOVEBOX_TESTS_BENCH_DAEMON_H_

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "tests/bench/child.h"
#include "tests/bench/workspace.h"

namespace glovebox::bench {

struct ProcessUse {
  double cpu_s = 0;    // user and system, of the process and its reaped children
  double rss_kib = 0;  // VmRSS
  double pss_kib = 0;  // proportional share
};
ProcessUse UseOf(pid_t pid);

// Ended by the destructor, which gives it a minute to remove what is left.
class Daemon {
 public:
  // `program`: a gloveboxd. Its log is `workspace`/daemon.log. Answers when it runs, not yet when
  // it serves.
  static absl::StatusOr<Daemon> Start(const std::string& program, const Workspace& workspace);

  const std::string& socket() const { return socket_; }
  pid_t pid() const { return process_.pid(); }
  bool running() const { return process_.running(); }

  // Waits until no cgroup has the sandbox's name any more: the last that is removed but for the
  // disk's file. DEADLINE_EXCEEDED after ten seconds.
  static absl::Status AwaitGone(const std::string& sandbox);

  // Its processes of that name (comm, of which the kernel keeps 15 bytes), however deep below it.
  std::vector<pid_t> Descendants(const std::string& name) const;

 private:
  Daemon(Companion process, std::string socket)
      : process_(std::move(process)), socket_(std::move(socket)) {}

  Companion process_;
  std::string socket_;
};

}  // namespace glovebox::bench

#endif  // GLOVEBOX_TESTS_BENCH_DAEMON_H_
