// Programs started by vfork and exec (posix_spawn), and their times.
#ifndef GLOVEBOX_TESTS_BENCH_CHILD_H_
#define GLOVEBOX_TESTS_BENCH_CHILD_H_

#include <sys/types.h>

#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "base/unique_fd.h"
#include "tests/bench/samples.h"

namespace glovebox::bench {

struct Command {
  std::vector<std::string> arguments;         // the first is looked up in PATH
  std::vector<std::pair<int, int>> fds = {};  // {ours, number there}, beside 0 to 2
};

// Metrics "first_byte" (when there was output) and "end" (reaped). FAILED_PRECONDITION with what it
// said when the program exits other than 0.
absl::StatusOr<Measurement> TimeCommand(const Command& command);

// Runs it and gives what it wrote to stdout, at most 64 KiB.
absl::StatusOr<std::string> OutputOf(const Command& command);

// Reads all that it writes to stdout, in pieces of 1 MiB: seconds from start to end of output.
absl::StatusOr<double> TimePipe(const Command& command);

// A program that runs beside the benchmark and is ended by the destructor (SIGTERM, then, after
// `grace_ms`, SIGKILL).
class Companion {
 public:
  Companion(pid_t pid, UniqueFd pidfd, int grace_ms)
      : pid_(pid), pidfd_(std::move(pidfd)), grace_ms_(grace_ms) {}
  Companion(Companion&& other) noexcept;
  Companion& operator=(Companion&& other) = delete;
  ~Companion();

  // In a process group of its own, so that Ctrl-C of a terminal reaches only the benchmark. 0 is
  // /dev/null; 1 and 2 as given in `command.fds`, else /dev/null.
  static absl::StatusOr<Companion> Start(const Command& command, int grace_ms);

  pid_t pid() const { return pid_; }
  bool running() const;
  absl::Status AwaitEnd(int timeout_ms) const;  // DEADLINE_EXCEEDED

 private:
  pid_t pid_;
  UniqueFd pidfd_;
  int grace_ms_;
};

// Whether PATH has such a program.
bool InPath(const std::string& program);

}  // namespace glovebox::bench

#endif  // GLOVEBOX_TESTS_BENCH_CHILD_H_
