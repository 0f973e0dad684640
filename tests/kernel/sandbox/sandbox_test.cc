// Whole sandboxes without gRPC: made, used, ended.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <functional>
#include <thread>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/synchronization/notification.h"
#include "base/status.h"
#include "base/unique_fd.h"
#include "linux/process.h"
#include "tests/support/suite_world.h"

namespace glovebox {
namespace {

using ::testing::HasSubstr;

class SandboxTest : public SuiteWorld<SandboxTest> {
 protected:
  Outcome Run(Sandbox& sandbox, const ExecSpec& spec) {
    auto outcome = RunIn(sandbox, spec);
    EXPECT_TRUE(outcome.ok()) << outcome.status();
    return outcome.ok() ? *outcome : Outcome{};
  }
  void Delete(const Sandbox& sandbox) { EXPECT_TRUE(world_->manager().Delete(sandbox.id()).ok()); }
};

TEST_F(SandboxTest, ACommandRunsAsTheAgentAndItsExitCodeComesBack) {
  auto sandbox = Create();
  ASSERT_NE(sandbox, nullptr);
  const Outcome outcome = Run(*sandbox, Shell("id -un; pwd; echo problem >&2; exit 7"));
  EXPECT_EQ(outcome.out, "agent\n/home/agent\n");
  EXPECT_EQ(outcome.err, "problem\n");
  EXPECT_EQ(outcome.result.cause, ExecResult::Cause::kExited);
  EXPECT_EQ(outcome.result.exit_code, 7);
  Delete(*sandbox);
}

TEST_F(SandboxTest, TheUpperLayerShowsWhatACommandWrote) {
  auto sandbox = Create();
  ASSERT_NE(sandbox, nullptr);
  EXPECT_EQ(Run(*sandbox, Shell("echo hello > /home/agent/file")).result.exit_code, 0);
  auto files = sandbox->OpenFiles();
  ASSERT_TRUE(files.ok()) << files.status();
  EXPECT_EQ(::faccessat(files->upper.get(), "home/agent/file", R_OK, 0), 0);
  Delete(*sandbox);
}

TEST_F(SandboxTest, AMemoryHogIsKilledAndTheEndSaysSo) {
  CreateOptions options;
  options.limits.memory_bytes = 64 << 20;
  auto sandbox = Create(options);
  ASSERT_NE(sandbox, nullptr);
  ExecSpec spec;
  spec.arguments = {"python3", "-c", "x = bytearray(512 * 1024 * 1024); print(len(x))"};
  const Outcome outcome = Run(*sandbox, spec);
  EXPECT_EQ(outcome.result.cause, ExecResult::Cause::kOomKilled) << DescribeResult(outcome.result);
  ASSERT_TRUE(outcome.result.oom.has_value());
  EXPECT_EQ(outcome.result.oom->limit_bytes, 64u << 20);
  EXPECT_GT(outcome.result.oom->peak_bytes, 32u << 20);
  EXPECT_EQ(outcome.result.oom->victim, OomFacts::Victim::kLeader);
  EXPECT_EQ(outcome.result.oom->program, "python3");
  Delete(*sandbox);
}

TEST_F(SandboxTest, ASandboxThatEndsAfterItRanOutOfMemorySaysSo) {
  CreateOptions options;
  options.limits.memory_bytes = 64 << 20;
  auto sandbox = Create(options);
  ASSERT_NE(sandbox, nullptr);
  ExecSpec spec;
  spec.arguments = {"python3", "-c", "x = bytearray(512 * 1024 * 1024)"};
  EXPECT_EQ(Run(*sandbox, spec).result.cause, ExecResult::Cause::kOomKilled);
  const UniqueFd init(static_cast<int>(::syscall(SYS_pidfd_open, sandbox->init_host_pid(), 0)));
  ASSERT_TRUE(init.valid());
  ASSERT_EQ(SignalPidFd(init.get(), SIGKILL), absl::OkStatus());
  while (sandbox->state() != SandboxState::kStopped) std::this_thread::yield();
  EXPECT_EQ(sandbox->stop_reason(),
            "its init process ended; for lack of memory the kernel killed 1 of the sandbox's "
            "processes");
  Delete(*sandbox);
}

TEST_F(SandboxTest, AChildKilledForMemoryIsToldApartFromItsLeader) {
  CreateOptions options;
  options.limits.memory_bytes = 64 << 20;
  auto sandbox = Create(options);
  ASSERT_NE(sandbox, nullptr);
  const Outcome outcome =
      Run(*sandbox, Shell("python3 -c 'bytearray(512 * 1024 * 1024)' || exit 3"));
  EXPECT_EQ(outcome.result.cause, ExecResult::Cause::kOomKilled) << DescribeResult(outcome.result);
  EXPECT_EQ(outcome.result.exit_code, 3);
  EXPECT_EQ(outcome.result.oom->victim, OomFacts::Victim::kDescendant);
  const Outcome after = Run(*sandbox, Shell("exit 3"));
  EXPECT_EQ(after.result.cause, ExecResult::Cause::kExited) << "an earlier kill is not this one's";
  Delete(*sandbox);
}

TEST_F(SandboxTest, SurvivorsAreSeenAndEndedUnderTheDaemonsUmask) {
  const mode_t umask_before = ::umask(077);
  auto sandbox = Create();
  ASSERT_NE(sandbox, nullptr);
  const Outcome outcome = Run(*sandbox, Shell("setsid sleep 1000 >/dev/null 2>&1 & exit 3"));
  ::umask(umask_before);
  EXPECT_EQ(outcome.result.exit_code, 3);
  EXPECT_EQ(outcome.result.survivors, 1u);
  EXPECT_EQ(Run(*sandbox, Shell("pgrep -c sleep")).out, "0\n");
  Delete(*sandbox);
}

TEST_F(SandboxTest, KeptSurvivorsCanBeKilledAfterTheEnd) {
  auto sandbox = Create();
  ASSERT_NE(sandbox, nullptr);
  ExecSpec spec =
      Shell("setsid sleep 1000 >/dev/null 2>&1 & until pgrep sleep >/dev/null; do :; done");
  spec.keep_survivors = true;
  auto exec = sandbox->StartExec("kept", spec);
  ASSERT_TRUE(exec.ok()) << exec.status();
  absl::Notification ended;
  std::function<void()> look = [&] {
    if ((*exec)->Snapshot().result.has_value()) {
      ended.Notify();
    } else {
      (*exec)->Watch(look);
    }
  };
  (*exec)->Watch(look);
  ended.WaitForNotification();
  EXPECT_EQ(Run(*sandbox, Shell("pgrep -c sleep")).out, "1\n");
  EXPECT_FALSE(sandbox->SignalExec(**exec, SIGTERM, SignalScope::kTree).ok());
  EXPECT_TRUE(sandbox->SignalExec(**exec, SIGKILL, SignalScope::kTree).ok());
  EXPECT_EQ(Run(*sandbox, Shell("while pgrep sleep >/dev/null; do :; done; echo gone")).out,
            "gone\n");
  const absl::Status again = sandbox->SignalExec(**exec, SIGKILL, SignalScope::kTree);
  EXPECT_EQ(GetErrorDetail(again)->reason, "EXEC_ENDED");
  Delete(*sandbox);
}

TEST_F(SandboxTest, AFailureAtThePidsLimitOrOnAFullDiskSaysSo) {
  CreateOptions options;
  options.limits.pids_max = 16;
  options.limits.disk_bytes = 16 << 20;
  auto sandbox = Create(options);
  ASSERT_NE(sandbox, nullptr);
  const Outcome forks = Run(*sandbox, Shell("for i in $(seq 40); do sleep 1000 & done; exit 5"));
  EXPECT_EQ(forks.result.cause, ExecResult::Cause::kPidsLimit) << DescribeResult(forks.result);
  EXPECT_EQ(forks.result.pids->limit, 16u);
  EXPECT_EQ(forks.result.processes_max, 15u) << "all but init";
  const Outcome disk = Run(*sandbox, Shell("head -c 100M /dev/zero > ~/big || exit 6"));
  EXPECT_EQ(disk.result.cause, ExecResult::Cause::kDiskFull) << DescribeResult(disk.result);
  EXPECT_EQ(disk.result.exit_code, 6);
  EXPECT_GT(disk.result.write_bytes, 4u << 20);
  Delete(*sandbox);
}

TEST_F(SandboxTest, AForkBombStopsAtThePidsLimit) {
  CreateOptions options;
  options.limits.pids_max = 32;
  auto sandbox = Create(options);
  ASSERT_NE(sandbox, nullptr);
  ExecSpec spec = Shell("for i in $(seq 100); do sleep 1000 & done; wait");
  spec.wall_limit_ms = 60'000;  // dash ends at the first fork that fails
  const Outcome outcome = Run(*sandbox, spec);
  EXPECT_THAT(outcome.err, HasSubstr("fork"));
  Delete(*sandbox);
}

TEST_F(SandboxTest, TheDiskQuotaHolds) {
  CreateOptions options;
  options.limits.disk_bytes = 32 << 20;
  auto sandbox = Create(options);
  ASSERT_NE(sandbox, nullptr);
  const Outcome outcome =
      Run(*sandbox, Shell("head -c 100M /dev/zero > /home/agent/big; stat -c %s /home/agent/big"));
  EXPECT_THAT(outcome.err, HasSubstr("No space left on device"));
  EXPECT_LT(std::stoll(outcome.out), 32 << 20);
  Delete(*sandbox);
}

TEST_F(SandboxTest, ATimeOutEndsTheWholeTree) {
  auto sandbox = Create();
  ASSERT_NE(sandbox, nullptr);
  ExecSpec spec = Shell("trap '' TERM; setsid sh -c \"trap '' TERM; sleep 1000\" & sleep 1000");
  spec.wall_limit_ms = 1000;  // the traps must be set by then
  spec.term_grace_ms = 100;
  const Outcome outcome = Run(*sandbox, spec);
  EXPECT_EQ(outcome.result.cause, ExecResult::Cause::kTimedOut) << DescribeResult(outcome.result);
  const Outcome left = Run(*sandbox, Shell("pgrep sleep | wc -l"));
  EXPECT_EQ(left.out, "0\n");
  Delete(*sandbox);
}

TEST_F(SandboxTest, BackPressureLosesNothing) {
  auto sandbox = Create();
  ASSERT_NE(sandbox, nullptr);
  ExecSpec spec = Shell("head -c 50000000 /dev/zero");
  spec.output_policy = OutputPolicy::kBackPressure;
  const Outcome outcome = Run(*sandbox, spec);
  EXPECT_EQ(outcome.out.size(), 50'000'000u);
  EXPECT_EQ(outcome.gap_bytes, 0u);
  Delete(*sandbox);
}

TEST_F(SandboxTest, AMissingProgramIsASpawnFailure) {
  auto sandbox = Create();
  ASSERT_NE(sandbox, nullptr);
  ExecSpec spec;
  spec.arguments = {"no-such-program"};
  const Outcome outcome = Run(*sandbox, spec);
  EXPECT_EQ(outcome.result.cause, ExecResult::Cause::kSpawnFailed);
  EXPECT_EQ(outcome.result.failed_step, ExecStep::kExecve);
  EXPECT_EQ(outcome.result.error, ENOENT);
  Delete(*sandbox);
}

TEST_F(SandboxTest, TheSameExecIdAndSpecIsTheSameExec) {
  auto sandbox = Create();
  ASSERT_NE(sandbox, nullptr);
  auto first = sandbox->StartExec("one", Shell("sleep 1000"));
  auto again = sandbox->StartExec("one", Shell("sleep 1000"));
  ASSERT_TRUE(first.ok() && again.ok());
  EXPECT_EQ(first->get(), again->get());
  EXPECT_TRUE(absl::IsAlreadyExists(sandbox->StartExec("one", Shell("true")).status()));
  Delete(*sandbox);
  EXPECT_EQ((*first)->Snapshot().result->cause, ExecResult::Cause::kSandboxGone);
}

TEST_F(SandboxTest, TheSameRequestIdIsTheSameSandbox) {
  CreateOptions options;
  options.request_id = "request-1";
  auto first = world_->manager().Create(options);
  auto again = world_->manager().Create(options);
  ASSERT_TRUE(first.ok() && again.ok());
  EXPECT_EQ(first->id, again->id);
  options.labels["x"] = "y";
  EXPECT_TRUE(absl::IsAlreadyExists(world_->manager().Create(options).status()));
  EXPECT_TRUE(world_->manager().Delete(first->id).ok());
  EXPECT_TRUE(absl::IsNotFound(world_->manager().Delete(first->id)));
}

TEST_F(SandboxTest, ASignalToTheTreeReachesWhatLeftTheGroup) {
  auto sandbox = Create();
  ASSERT_NE(sandbox, nullptr);
  ExecSpec spec = Shell("setsid sleep 1000 & echo ready; wait $!; echo ended $?");
  auto exec = sandbox->StartExec("signalled", spec);
  ASSERT_TRUE(exec.ok()) << exec.status();
  OutputReader reader(*exec, 0, OutputReader::NeverWaitedFor());
  std::string out;
  while (out.find("ready") == std::string::npos) {
    auto frame = reader.Next();
    ASSERT_TRUE(frame.ok());
    if (frame->has_value()) out += (*frame)->data;
  }
  EXPECT_TRUE((*exec)->Signal(SIGUSR1, SignalScope::kTree).ok());
  auto outcome = Collect(*exec);
  ASSERT_TRUE(outcome.ok());
  EXPECT_EQ(outcome->result.signal, SIGUSR1) << DescribeResult(outcome->result);
  Delete(*sandbox);
}

TEST_F(SandboxTest, WaitingForADeletionLeavesNothingBehind) {
  auto sandbox = Create();
  ASSERT_NE(sandbox, nullptr);
  const std::string socket = absl::StrCat(world_->directory(), "/run/", sandbox->id());
  EXPECT_EQ(::access(socket.c_str(), F_OK), 0);
  EXPECT_TRUE(world_->manager().Delete(sandbox->id(), Sandbox::CleanUp::kWait).ok());
  EXPECT_NE(::access(socket.c_str(), F_OK), 0);
  EXPECT_EQ(
      std::system(
          absl::StrCat("! find /sys/fs/cgroup -name '", sandbox->id(), "' | grep -q .").c_str()),
      0);
}

TEST_F(SandboxTest, ManyAtOnceComeAndGo) {
  std::vector<std::thread> threads;
  for (int t = 0; t < 8; ++t) {
    threads.emplace_back([&] {
      for (int i = 0; i < 5; ++i) {
        auto info = world_->manager().Create({});
        EXPECT_TRUE(info.ok()) << info.status();
        if (!info.ok()) continue;
        auto sandbox = world_->manager().Find(info->id);
        auto outcome = RunIn(**sandbox, Shell("echo $$"));
        EXPECT_TRUE(outcome.ok()) << outcome.status();
        if (outcome.ok()) {
          EXPECT_EQ(outcome->result.exit_code, 0) << DescribeResult(outcome->result);
        }
        EXPECT_EQ(world_->manager().Delete(info->id), absl::OkStatus());
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_TRUE(world_->manager().List().empty());
}

}  // namespace
}  // namespace glovebox
