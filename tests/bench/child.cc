#include "tests/bench/child.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "base/status.h"
#include "linux/process.h"

namespace glovebox::bench {
namespace {

constexpr size_t kOutputBytesMax = 64 * 1024;
constexpr short kNewGroup = POSIX_SPAWN_SETPGROUP;

absl::StatusOr<pid_t> Spawn(const Command& command, const std::vector<std::pair<int, int>>& fds,
                            short flags) {
  posix_spawn_file_actions_t actions;
  posix_spawnattr_t attributes;
  (void)posix_spawn_file_actions_init(&actions);  // glibc's cannot fail
  (void)posix_spawnattr_init(&attributes);
  (void)posix_spawnattr_setflags(&attributes, flags);
  for (int fd = 0; fd < 3; ++fd) {
    (void)posix_spawn_file_actions_addopen(&actions, fd, "/dev/null", O_RDWR, 0);
  }
  for (const auto& [ours, there] : fds) {
    (void)posix_spawn_file_actions_adddup2(&actions, ours, there);
  }
  std::vector<char*> arguments;
  for (const std::string& argument : command.arguments) {
    arguments.push_back(const_cast<char*>(argument.c_str()));
  }
  arguments.push_back(nullptr);
  pid_t pid = -1;
  int error = posix_spawnp(&pid, arguments[0], &actions, &attributes, arguments.data(), ::environ);
  (void)posix_spawn_file_actions_destroy(&actions);
  (void)posix_spawnattr_destroy(&attributes);
  if (error != 0) return ErrnoError(error, absl::StrCat("posix_spawnp(", arguments[0], ")"));
  return pid;
}

int Reap(pid_t pid) {
  int status = 0;
  while (waitpid(pid, &status, 0) < 0 && errno == EINTR) {
  }
  return status;
}

absl::StatusOr<UniqueFd> MakeErrorFile() {
  UniqueFd fd(memfd_create("stderr", MFD_CLOEXEC));
  if (!fd.valid()) return ErrnoError(errno, "memfd_create(stderr)");
  return fd;
}

absl::Status CheckEnd(const Command& command, int status, int error_fd) {
  if (WIFEXITED(status) && WEXITSTATUS(status) == 0) return absl::OkStatus();
  char text[400];
  ssize_t size = pread(error_fd, text, sizeof text, 0);
  std::string said(text, size > 0 ? static_cast<size_t>(size) : 0);
  return absl::FailedPreconditionError(absl::StrCat(
      absl::StrJoin(command.arguments, " "), " ended with wait status ", status, ": ", said));
}

struct Run {
  Measurement times;
  std::string output;
};

absl::StatusOr<Run> RunToEnd(const Command& command) {
  int pipe_fds[2];
  if (pipe2(pipe_fds, O_CLOEXEC) != 0) return ErrnoError(errno, "pipe2");
  UniqueFd reader(pipe_fds[0]);
  UniqueFd writer(pipe_fds[1]);
  ASSIGN_OR_RETURN(UniqueFd errors, MakeErrorFile());
  std::vector<std::pair<int, int>> fds = command.fds;
  fds.emplace_back(writer.get(), 1);
  fds.emplace_back(errors.get(), 2);

  Run run;
  double start = NowUs();
  ASSIGN_OR_RETURN(pid_t pid, Spawn(command, fds, 0));
  writer.Reset();
  char buffer[4096];
  while (true) {
    ssize_t size = read(reader.get(), buffer, sizeof buffer);
    if (size < 0 && errno == EINTR) continue;
    if (size <= 0) break;
    if (run.output.empty()) run.times["first_byte"] = NowUs() - start;
    if (run.output.size() < kOutputBytesMax) run.output.append(buffer, static_cast<size_t>(size));
  }
  int status = Reap(pid);
  run.times["end"] = NowUs() - start;
  RETURN_IF_ERROR(CheckEnd(command, status, errors.get()));
  return run;
}

}  // namespace

absl::StatusOr<Measurement> TimeCommand(const Command& command) {
  ASSIGN_OR_RETURN(Run run, RunToEnd(command));
  return run.times;
}

absl::StatusOr<std::string> OutputOf(const Command& command) {
  ASSIGN_OR_RETURN(Run run, RunToEnd(command));
  return run.output;
}

absl::StatusOr<double> TimePipe(const Command& command) {
  int pipe_fds[2];
  if (pipe2(pipe_fds, O_CLOEXEC) != 0) return ErrnoError(errno, "pipe2");
  UniqueFd reader(pipe_fds[0]);
  UniqueFd writer(pipe_fds[1]);
  (void)fcntl(reader.get(), F_SETPIPE_SZ, 1 << 20);  // a smaller one is slower, no more
  ASSIGN_OR_RETURN(UniqueFd errors, MakeErrorFile());
  double start = NowUs();
  ASSIGN_OR_RETURN(pid_t pid, Spawn(command, {{writer.get(), 1}, {errors.get(), 2}}, 0));
  writer.Reset();
  std::vector<char> buffer(size_t{1} << 20);
  ssize_t size = 0;
  while ((size = read(reader.get(), buffer.data(), buffer.size())) > 0 ||
         (size < 0 && errno == EINTR)) {
  }
  double seconds = (NowUs() - start) / 1e6;
  RETURN_IF_ERROR(CheckEnd(command, Reap(pid), errors.get()));
  return seconds;
}

Companion::Companion(Companion&& other) noexcept
    : pid_(other.pid_), pidfd_(std::move(other.pidfd_)), grace_ms_(other.grace_ms_) {}

absl::StatusOr<Companion> Companion::Start(const Command& command, int grace_ms) {
  ASSIGN_OR_RETURN(pid_t pid, Spawn(command, command.fds, kNewGroup));
  UniqueFd pidfd(static_cast<int>(syscall(SYS_pidfd_open, pid, 0)));
  if (!pidfd.valid()) return ErrnoError(errno, "pidfd_open of our own child");
  return Companion(pid, std::move(pidfd), grace_ms);
}

Companion::~Companion() {
  if (!pidfd_.valid()) return;
  (void)SignalPidFd(pidfd_.get(), SIGTERM);
  if (!WaitPidFd(pidfd_.get(), grace_ms_).ok()) (void)SignalPidFd(pidfd_.get(), SIGKILL);
  (void)Reap(pid_);
}

bool Companion::running() const {
  pollfd ended{.fd = pidfd_.get(), .events = POLLIN, .revents = 0};
  return poll(&ended, 1, 0) == 0;
}

absl::Status Companion::AwaitEnd(int timeout_ms) const {
  return WaitPidFd(pidfd_.get(), timeout_ms);
}

bool InPath(const std::string& program) {
  const char* path = getenv("PATH");
  for (absl::string_view folder : absl::StrSplit(path == nullptr ? "" : path, ':')) {
    if (access(absl::StrCat(folder, "/", program).c_str(), X_OK) == 0) return true;
  }
  return false;
}

}  // namespace glovebox::bench
