#include "linux/process.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <string>

#include "base/status.h"
#include "gtest/gtest.h"
#include "linux/file_io.h"

namespace glovebox {
namespace {

bool HasChildren() {
  siginfo_t info{};
  return ::waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) == 0 || errno != ECHILD;
}

int Reap(const SpawnedProcess& process) {
  siginfo_t info{};
  EXPECT_EQ(::waitid(P_PIDFD, static_cast<id_t>(process.pidfd.get()), &info, WEXITED), 0);
  return info.si_status;
}

std::string ReadAll(int fd) {
  std::string text;
  char buffer[1024];
  for (ssize_t count = 0; (count = ::read(fd, buffer, sizeof buffer)) > 0;) {
    text.append(buffer, static_cast<size_t>(count));
  }
  return text;
}

// Starts /bin/sh -c `script` with its output in a pipe; returns what it wrote.
std::string OutputOf(const std::string& script, int extra_target = -1) {
  int ends[2];
  EXPECT_EQ(::pipe2(ends, O_CLOEXEC), 0);
  const UniqueFd reader(ends[0]);
  UniqueFd writer(ends[1]);
  const auto shell = OpenAt(AT_FDCWD, "/bin/sh", O_RDONLY);
  EXPECT_TRUE(shell.ok()) << shell.status();
  std::vector<std::pair<int, int>> fds = {{writer.get(), 1}};
  if (extra_target >= 0) fds.emplace_back(writer.get(), extra_target);
  const auto process = SpawnFromFd(shell->get(), {"sh", "-c", script}, fds);
  EXPECT_TRUE(process.ok()) << process.status();
  writer.Reset();
  std::string output = ReadAll(reader.get());
  Reap(*process);
  return output;
}

TEST(ProcessTest, SpawnedProgramHasExactlyTheDescriptorsGiven) {
  const std::string probe =
      "n=0; while [ $n -lt 300 ]; do [ -e /proc/self/fd/$n ] && echo $n; n=$((n+1)); done";
  EXPECT_EQ(OutputOf(probe), "0\n1\n2\n");
  EXPECT_EQ(OutputOf(probe, 7), "0\n1\n2\n7\n");
}

TEST(ProcessTest, DescriptorsMaySwapNumbers) {
  int ends[2];
  ASSERT_EQ(::pipe2(ends, O_CLOEXEC), 0);
  const UniqueFd reader(ends[0]);
  UniqueFd writer(ends[1]);
  const auto shell = OpenAt(AT_FDCWD, "/bin/sh", O_RDONLY);
  ASSERT_TRUE(shell.ok());
  // Each takes the number that the other has here.
  const std::string script = "echo swapped >&" + std::to_string(reader.get());
  const auto process = SpawnFromFd(shell->get(), {"sh", "-c", script},
                                   {{writer.get(), reader.get()}, {reader.get(), writer.get()}});
  ASSERT_TRUE(process.ok()) << process.status();
  writer.Reset();
  EXPECT_EQ(ReadAll(reader.get()), "swapped\n");
  EXPECT_EQ(Reap(*process), 0);
}

TEST(ProcessTest, SpawnedProgramInheritsNoEnvironment) {
  ASSERT_EQ(::setenv("GLOVEBOX_SECRET", "1", 1), 0);
  const std::string environment = OutputOf("/usr/bin/env");
  EXPECT_EQ(environment.find("GLOVEBOX_SECRET"), std::string::npos) << environment;
  EXPECT_EQ(environment.find("HOME="), std::string::npos) << environment;
}

TEST(ProcessTest, SpawnedProgramStartsWithDefaultSignals) {
  sigset_t blocked;
  sigset_t before;
  ASSERT_EQ(::sigemptyset(&blocked), 0);
  ASSERT_EQ(::sigaddset(&blocked, SIGTERM), 0);
  ASSERT_EQ(::sigprocmask(SIG_BLOCK, &blocked, &before), 0);
  const auto old = ::signal(SIGUSR1, SIG_IGN);
  std::string masks = OutputOf("/usr/bin/grep -E 'Sig(Blk|Ign)' /proc/self/status");
  (void)::signal(SIGUSR1, old);
  ASSERT_EQ(::sigprocmask(SIG_SETMASK, &before, nullptr), 0);
  // glibc's posix_spawn ignores its own two signals, 32 and 33, in the child.
  if (const size_t own = masks.find("0000000180000000"); own != std::string::npos)
    masks[own + 7] = masks[own + 8] = '0';
  EXPECT_EQ(masks, "SigBlk:\t0000000000000000\nSigIgn:\t0000000000000000\n");
}

TEST(ProcessTest, PidFdTellsTheEndAndSignalsAfterItAreFine) {
  const auto shell = OpenAt(AT_FDCWD, "/bin/sh", O_RDONLY);
  ASSERT_TRUE(shell.ok());
  const auto process = SpawnFromFd(shell->get(), {"sh", "-c", "kill -STOP $$"}, {});
  ASSERT_TRUE(process.ok()) << process.status();
  EXPECT_EQ(WaitPidFd(process->pidfd.get(), 0).code(), absl::StatusCode::kDeadlineExceeded);
  ASSERT_TRUE(SignalPidFd(process->pidfd.get(), SIGKILL).ok());
  EXPECT_TRUE(WaitPidFd(process->pidfd.get(), 60'000).ok());
  EXPECT_EQ(Reap(*process), SIGKILL);
  EXPECT_TRUE(SignalPidFd(process->pidfd.get(), SIGKILL).ok());
}

TEST(HostToolTest, SuccessIsOk) { EXPECT_TRUE(RunHostTool({"/bin/true"}, 60'000).ok()); }

TEST(HostToolTest, FailureCarriesItsOutputEscaped) {
  const absl::Status status = RunHostTool(
      {"/bin/sh", "-c", "echo to stdout; printf '\\033[31mboom\\n' >&2; exit 3"}, 60'000);
  EXPECT_EQ(status.code(), absl::StatusCode::kInternal);
  const std::string message(status.message());
  EXPECT_NE(message.find("to stdout\\n\\x1b[31mboom\\n"), std::string::npos) << message;
  const auto detail = GetErrorDetail(status);
  ASSERT_TRUE(detail.has_value());
  EXPECT_EQ(detail->reason, "HOST_TOOL_FAILED");
  EXPECT_EQ(detail->metadata.at("tool"), "/bin/sh");
  EXPECT_FALSE(HasChildren());
}

TEST(HostToolTest, MissingToolIsNotFound) {
  EXPECT_EQ(RunHostTool({"/no/such/tool"}, 60'000).code(), absl::StatusCode::kNotFound);
}

TEST(HostToolTest, SilentToolIsEndedAtTheDeadline) {
  EXPECT_EQ(RunHostTool({"/bin/sleep", "1000"}, 30).code(), absl::StatusCode::kDeadlineExceeded);
  EXPECT_FALSE(HasChildren());
}

TEST(HostToolTest, ToolThatNeverStopsTalkingIsEndedAtTheDeadline) {
  EXPECT_EQ(RunHostTool({"/usr/bin/yes"}, 30).code(), absl::StatusCode::kDeadlineExceeded);
  EXPECT_FALSE(HasChildren());
}

TEST(HostToolTest, ErrorsStayShortWhateverTheToolPrints) {
  const absl::Status status =
      RunHostTool({"/bin/sh", "-c", "head -c 1000000 /dev/zero | tr '\\0' x; exit 1"}, 60'000);
  EXPECT_EQ(status.code(), absl::StatusCode::kInternal);
  EXPECT_LT(status.message().size(), 2000u);
}

}  // namespace
}  // namespace glovebox
