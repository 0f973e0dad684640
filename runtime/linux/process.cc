#include "linux/process.h"

#include <fcntl.h>
#include <linux/close_range.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "base/clock.h"
#include "base/escape.h"
#include "base/status.h"

namespace glovebox {
namespace {

std::vector<char*> Pointers(const std::vector<std::string>& texts) {
  std::vector<char*> pointers;
  pointers.reserve(texts.size() + 1);
  for (const std::string& text : texts) pointers.push_back(const_cast<char*>(text.c_str()));
  pointers.push_back(nullptr);
  return pointers;
}

// The child starts with default dispositions and an empty mask, whatever this process ignores or
// blocks.
void ResetSignals(posix_spawnattr_t* attributes) {
  sigset_t all;
  sigset_t none;
  (void)::sigfillset(&all);  // these four fail only for bad arguments
  (void)::sigemptyset(&none);
  (void)::posix_spawnattr_setsigdefault(attributes, &all);
  (void)::posix_spawnattr_setsigmask(attributes, &none);
  (void)::posix_spawnattr_setflags(attributes, POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK);
}

absl::StatusOr<SpawnedProcess> Spawn(const std::string& path, const std::vector<std::string>& args,
                                     const std::vector<std::string>& environment,
                                     const std::vector<std::pair<int, int>>& fds) {
  posix_spawn_file_actions_t actions;
  posix_spawnattr_t attributes;
  (void)::posix_spawn_file_actions_init(&actions);  // cannot fail in glibc
  (void)::posix_spawnattr_init(&attributes);
  absl::Cleanup destroy = [&] {
    (void)::posix_spawn_file_actions_destroy(&actions);
    (void)::posix_spawnattr_destroy(&attributes);
  };
  ResetSignals(&attributes);
  for (int fd = 0; fd < 3; ++fd) {
    (void)::posix_spawn_file_actions_addopen(&actions, fd, "/dev/null", O_RDWR, 0);
  }
  // dup2 of a number onto itself clears FD_CLOEXEC in posix_spawn (POSIX.1-2024; glibc 2.29).
  for (const auto& [ours, theirs] : fds) {
    (void)::posix_spawn_file_actions_adddup2(&actions, ours, theirs);
  }
  // What this process itself inherited from a careless parent must not reach the child either.
  if (::close_range(3, ~0U, CLOSE_RANGE_CLOEXEC) != 0) return ErrnoError(errno, "close_range");
  pid_t pid = -1;
  const int error = ::posix_spawn(&pid, path.c_str(), &actions, &attributes, Pointers(args).data(),
                                  Pointers(environment).data());
  if (error != 0) return ErrnoError(error, absl::StrCat("posix_spawn ", args[0]));
  const long pidfd = ::syscall(SYS_pidfd_open, pid, 0);
  if (pidfd < 0) return ErrnoError(errno, "pidfd_open");
  return SpawnedProcess{UniqueFd(static_cast<int>(pidfd)), pid};
}

int MillisUntil(int64_t deadline_ns) {
  const int64_t left_ns = deadline_ns - RealClock().MonotonicNanos();
  return left_ns <= 0 ? 0 : static_cast<int>(left_ns / 1'000'000);
}

// Reads until end of file or the deadline, however much comes; keeps the first 4 KiB.
std::string ReadOutput(int fd, int64_t deadline_ns) {
  constexpr size_t kKeptBytes = 4096;
  std::string output;
  char buffer[1024];
  pollfd entry{fd, POLLIN, 0};
  while (::poll(&entry, 1, MillisUntil(deadline_ns)) > 0) {
    const ssize_t count = ::read(fd, buffer, sizeof buffer);
    if (count <= 0) break;
    output.append(buffer, std::min(static_cast<size_t>(count), kKeptBytes - output.size()));
  }
  return output;
}

}  // namespace

absl::Status SignalPidFd(int pidfd, int signal) {
  if (::syscall(SYS_pidfd_send_signal, pidfd, signal, nullptr, 0) == 0 || errno == ESRCH) {
    return absl::OkStatus();
  }
  return ErrnoError(errno, absl::StrCat("pidfd_send_signal ", signal));
}

std::string EndChild(UniqueFd* pidfd) {
  if (!pidfd->valid()) return "it was reaped";
  (void)SignalPidFd(pidfd->get(), SIGKILL);  // fails for what is no process, as waitid will
  siginfo_t info{};
  const int reaped = ::waitid(P_PIDFD, static_cast<id_t>(pidfd->get()), &info, WEXITED);
  pidfd->Reset();
  if (reaped != 0) return "it cannot be waited for";
  return absl::StrCat(info.si_code == CLD_EXITED ? "exit status " : "signal ", info.si_status);
}

absl::Status WaitPidFd(int pidfd, int timeout_ms) {
  pollfd entry{pidfd, POLLIN, 0};
  for (;;) {
    const int count = ::poll(&entry, 1, timeout_ms);
    if (count > 0) return absl::OkStatus();
    if (count == 0) return absl::DeadlineExceededError("the process has not ended in time");
    if (errno != EINTR) return ErrnoError(errno, "poll pidfd");
  }
}

absl::StatusOr<SpawnedProcess> SpawnFromFd(int executable_fd, const std::vector<std::string>& args,
                                           const std::vector<std::pair<int, int>>& fds) {
  // Out of the way of the target numbers first: the dup2 calls are made in order and would
  // overwrite sources.
  constexpr int kAboveTargets = 100;
  const auto move_up = [](int fd) -> absl::StatusOr<UniqueFd> {
    const int copy = ::fcntl(fd, F_DUPFD_CLOEXEC, kAboveTargets);
    if (copy < 0) return ErrnoError(errno, "F_DUPFD_CLOEXEC");
    return UniqueFd(copy);
  };
  ASSIGN_OR_RETURN(const UniqueFd executable, move_up(executable_fd));
  std::vector<UniqueFd> copies;
  std::vector<std::pair<int, int>> targets;
  for (const auto& [ours, theirs] : fds) {
    ASSIGN_OR_RETURN(UniqueFd copy, move_up(ours));
    targets.emplace_back(copy.get(), theirs);
    copies.push_back(std::move(copy));
  }
  return Spawn(absl::StrCat("/proc/self/fd/", executable.get()), args, {}, targets);
}

absl::Status RunHostTool(const std::vector<std::string>& args, int timeout_ms) {
  const int64_t deadline_ns = RealClock().MonotonicNanos() + int64_t{timeout_ms} * 1'000'000;
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) return ErrnoError(errno, "pipe2");
  UniqueFd reader(ends[0]);
  UniqueFd writer(ends[1]);
  ASSIGN_OR_RETURN(SpawnedProcess process,
                   Spawn(args[0], args, {"PATH=/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL=C"},
                         {{writer.get(), 1}, {writer.get(), 2}}));
  writer.Reset();
  const std::string output = ReadOutput(reader.get(), deadline_ns);
  const absl::Status ended = WaitPidFd(process.pidfd.get(), MillisUntil(deadline_ns));
  if (!ended.ok()) RETURN_IF_ERROR(SignalPidFd(process.pidfd.get(), SIGKILL));
  siginfo_t info{};
  if (::waitid(P_PIDFD, static_cast<id_t>(process.pidfd.get()), &info, WEXITED) != 0) {
    return ErrnoError(errno, "waitid");
  }
  const std::string command = absl::StrJoin(args, " ");
  if (!ended.ok()) return absl::DeadlineExceededError(absl::StrCat(command, " took too long"));
  if (info.si_code != CLD_EXITED || info.si_status != 0) {
    return DetailedError(absl::StatusCode::kInternal,
                         absl::StrCat(command, " failed: ", EscapeForPeople(output, 1000)),
                         {"HOST_TOOL_FAILED", {{"tool", args[0]}}});
  }
  return absl::OkStatus();
}

}  // namespace glovebox
