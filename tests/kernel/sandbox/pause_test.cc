// Sandboxes that stand still.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <atomic>
#include <csignal>
#include <thread>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "base/status.h"
#include "tests/support/suite_world.h"

namespace glovebox {
namespace {

class PauseTest : public SuiteWorld<PauseTest> {
 protected:
  void SetUp() override {
    sandbox_ = Create();
    other_ = Create();
    ASSERT_NE(sandbox_, nullptr);
    ASSERT_NE(other_, nullptr);
  }
  void TearDown() override {
    for (const auto& sandbox : {sandbox_, other_}) {
      if (sandbox != nullptr) (void)world_->manager().Delete(sandbox->id());
    }
  }

  // At least so long, told by the end of a command in a sandbox that runs.
  void LetPass(absl::string_view seconds) {
    const auto passed = RunIn(*other_, Shell(absl::StrCat("sleep ", seconds)));
    ASSERT_TRUE(passed.ok()) << passed.status();
    ASSERT_EQ(passed->result.exit_code, 0);
  }
  std::shared_ptr<Exec> Start(const std::string& id, const ExecSpec& spec) {
    const auto exec = sandbox_->StartExec(id, spec);
    EXPECT_TRUE(exec.ok()) << exec.status();
    return exec.ok() ? *exec : nullptr;
  }
  uint64_t CpuOf(const Sandbox& sandbox) {
    const auto usage = sandbox.Usage();
    EXPECT_TRUE(usage.ok()) << usage.status();
    return usage.ok() ? usage->cpu_us : 0;
  }
  static std::string ReasonOf(const absl::Status& status) {
    const auto detail = GetErrorDetail(status);
    return detail.has_value() ? detail->reason : "";
  }
  std::shared_ptr<Sandbox> sandbox_, other_;
};

TEST_F(PauseTest, NothingRunsWhilePausedAndEverythingGoesOnAfterwards) {
  const auto exec = Start("busy", Shell("setsid sh -c 'while :; do :; done' & echo up; "
                                        "while [ ! -e ~/stop ]; do :; done; kill $!; exit 5"));
  AwaitOutput(exec);
  ASSERT_EQ(sandbox_->Pause(), absl::OkStatus());
  EXPECT_EQ(sandbox_->state(), SandboxState::kPaused);
  const uint64_t before = CpuOf(*sandbox_);
  LetPass("0.5");
  // Two busy processes would have had hundreds of milliseconds.
  EXPECT_LE(CpuOf(*sandbox_) - before, 2'000u);
  EXPECT_EQ(sandbox_->Pause(), absl::OkStatus()) << "again is harmless";
  ASSERT_EQ(sandbox_->Resume(), absl::OkStatus());
  EXPECT_EQ(sandbox_->Resume(), absl::OkStatus());
  EXPECT_EQ(sandbox_->state(), SandboxState::kRunning);
  ASSERT_TRUE(RunIn(*sandbox_, Shell("touch ~/stop")).ok());
  const auto end = Collect(exec);
  ASSERT_TRUE(end.ok()) << end.status();
  EXPECT_EQ(end->result.exit_code, 5);
  EXPECT_GT(CpuOf(*sandbox_), before);
}

// With a limit that a loaded host may not keep the pause ahead of, the next one is longer.
TEST_F(PauseTest, LimitsStandStillWhilePaused) {
  for (const bool idle : {false, true}) {
    bool told = false;
    for (int limit_ms = 500; !told && limit_ms <= 32'000; limit_ms *= 4) {
      ExecSpec spec = Shell("echo up; exec sleep 1000");
      spec.term_grace_ms = 0;
      (idle ? spec.idle_limit_ms : spec.wall_limit_ms) = static_cast<uint32_t>(limit_ms);
      const auto exec = Start(absl::StrCat("limited-", idle, limit_ms), spec);
      AwaitOutput(exec);
      ASSERT_EQ(sandbox_->Pause(), absl::OkStatus());
      const bool in_time = !exec->Snapshot().result.has_value();
      const absl::Time paused = absl::Now();
      LetPass(absl::StrCat(limit_ms / 1000.0 + 0.2));
      EXPECT_EQ(exec->Snapshot().result.has_value(), !in_time) << "it ended while time stood still";
      const absl::Duration pause = absl::Now() - paused;
      ASSERT_EQ(sandbox_->Resume(), absl::OkStatus());
      const auto end = Collect(exec);
      ASSERT_TRUE(end.ok()) << end.status();
      if (!in_time) continue;
      told = true;
      EXPECT_EQ(end->result.cause,
                idle ? ExecResult::Cause::kIdleTimedOut : ExecResult::Cause::kTimedOut);
      EXPECT_GE(absl::Microseconds(static_cast<int64_t>(end->result.wall_us)),
                absl::Milliseconds(limit_ms) + pause);
    }
    EXPECT_TRUE(told);
  }
}

TEST_F(PauseTest, ExecOnAPausedSandboxIsRefusedWithTheRemedy) {
  ASSERT_EQ(sandbox_->Pause(), absl::OkStatus());
  const absl::Status refused = sandbox_->StartExec("e", Shell("true")).status();
  EXPECT_EQ(refused.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(ReasonOf(refused), "SANDBOX_PAUSED");
  EXPECT_TRUE(GetErrorDetail(refused)->metadata.contains("remedy"));
  ASSERT_EQ(sandbox_->Resume(), absl::OkStatus());
  const auto served = sandbox_->StartExec("e", Shell("echo works"));
  ASSERT_TRUE(served.ok()) << served.status();
  EXPECT_EQ(Collect(*served)->out, "works\n");
}

TEST_F(PauseTest, APausedCommandCanBeKilled) {
  const auto exec = Start("sleeper", Shell("echo up; sleep 1000 & sleep 1000"));
  AwaitOutput(exec);
  ASSERT_EQ(sandbox_->Pause(), absl::OkStatus());
  ASSERT_EQ(sandbox_->SignalExec(*exec, SIGKILL, SignalScope::kTree), absl::OkStatus());
  const auto end = Collect(exec);
  ASSERT_TRUE(end.ok()) << end.status();
  EXPECT_EQ(end->result.cause, ExecResult::Cause::kKilledByClient);
  EXPECT_EQ(sandbox_->state(), SandboxState::kPaused);
}

TEST_F(PauseTest, APausedSandboxCanBeDeleted) {
  const auto exec = Start("sleeper", Shell("echo up; sleep 1000"));
  AwaitOutput(exec);
  ASSERT_EQ(sandbox_->Pause(), absl::OkStatus());
  EXPECT_EQ(world_->manager().Delete(sandbox_->id(), Sandbox::CleanUp::kWait), absl::OkStatus());
  EXPECT_EQ(exec->Snapshot().result->cause, ExecResult::Cause::kSandboxGone);
}

// A freeze between a command's birth and its execve would hold init itself.
TEST_F(PauseTest, PausesAmongStartsLoseNoCommand) {
  std::atomic<int> started = 0;
  std::atomic<bool> done = false;
  std::thread pauser([&] {
    for (int i = 0; i < 20; ++i) {
      EXPECT_EQ(sandbox_->Pause(), absl::OkStatus());
      EXPECT_EQ(sandbox_->Resume(), absl::OkStatus());
      // The next pause comes when a command has just been sent to init.
      for (const int seen = started; started == seen;) std::this_thread::yield();
    }
    done = true;
  });
  for (int i = 0; !done; ++i) {
    const auto exec = sandbox_->StartExec(absl::StrCat("e", i), Shell("echo works"));
    if (!exec.ok()) {
      EXPECT_EQ(ReasonOf(exec.status()), "SANDBOX_PAUSED") << exec.status();
      LetPass("0.001");  // asking without a break would keep the sandbox's lock from everybody else
      continue;
    }
    ++started;
    const auto end = Collect(*exec);
    EXPECT_TRUE(end.ok() && end->out == "works\n" && end->result.exit_code == 0);
  }
  pauser.join();
}

}  // namespace
}  // namespace glovebox
