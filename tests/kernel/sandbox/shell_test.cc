// A persistent shell as the daemon has it: bash, in a sandbox that stands still, and interrupted
// while it starts.
#include <gtest/gtest.h>

#include <csignal>
#include <memory>
#include <optional>
#include <string>
#include <thread>

#include "absl/strings/str_cat.h"
#include "tests/support/suite_world.h"

namespace glovebox {
namespace {

class SandboxShellTest : public SuiteWorld<SandboxShellTest> {
 protected:
  void SetUp() override {
    sandbox_ = Create();
    ASSERT_NE(sandbox_, nullptr);
  }
  void TearDown() override {
    if (sandbox_ != nullptr) (void)world_->manager().Delete(sandbox_->id());
  }

  std::shared_ptr<Exec> StartShell(const std::string& id) {
    ExecSpec spec;
    spec.shell = true;
    const auto exec = sandbox_->StartExec(id, spec);
    EXPECT_TRUE(exec.ok()) << exec.status();
    return exec.ok() ? *exec : nullptr;
  }

  static absl::StatusOr<ShellTicket> Give(const std::shared_ptr<Exec>& exec, uint64_t number,
                                          const std::string& script) {
    ShellCommand command;
    command.number = number;
    command.script = script;
    return exec->RunShellCommand(command);
  }

  // Of the command, or nothing when the shell ended without one. What it printed goes to `out`.
  static std::optional<CommandResult> AwaitCommand(const std::shared_ptr<Exec>& exec,
                                                   uint64_t number, std::string* out) {
    OutputReader reader(exec, 0, OutputReader::NeverWaitedFor());
    bool inside = false;
    while (true) {
      const auto frame = reader.Next();
      EXPECT_TRUE(frame.ok()) << frame.status();
      if (!frame.ok()) return std::nullopt;
      if (!frame->has_value()) {
        std::this_thread::yield();
        continue;
      }
      const OutputFrame& seen = **frame;
      if (seen.kind == OutputFrame::Kind::kEnd) return std::nullopt;
      if (seen.kind == OutputFrame::Kind::kCommandStarted) inside = seen.command_number == number;
      if (seen.kind == OutputFrame::Kind::kData && inside) *out += seen.data;
      if (seen.kind == OutputFrame::Kind::kCommandEnded && seen.command->number == number) {
        return seen.command;
      }
    }
  }

  std::shared_ptr<Sandbox> sandbox_;
};

TEST_F(SandboxShellTest, ACommandThatIsGivenWhilePausedRunsAfterThePause) {
  const auto shell = StartShell("s");
  ASSERT_NE(shell, nullptr);
  std::string out;
  ASSERT_TRUE(Give(shell, 1, "cd /usr; x=kept").ok());
  ASSERT_TRUE(AwaitCommand(shell, 1, &out).has_value());
  ASSERT_EQ(sandbox_->Pause(), absl::OkStatus());
  const auto given = Give(shell, 2, "touch ~/ran; pwd; echo $x");
  ASSERT_TRUE(given.ok()) << given.status();
  // A fork has the files as they are now, and is as long in coming as the command would take.
  const auto forked = world_->manager().Fork(sandbox_->id(), ForkOptions{});
  ASSERT_TRUE(forked.ok() && forked->children[0].ok());
  const auto child = Find(forked->children[0]->id);
  const auto looked = RunIn(*child, Shell("ls ~"));
  ASSERT_TRUE(looked.ok()) << looked.status();
  EXPECT_EQ(looked->out, "") << "it ran in a pause";
  (void)world_->manager().Delete(child->id());
  EXPECT_TRUE(shell->Shell().running);
  ASSERT_EQ(sandbox_->Resume(), absl::OkStatus());
  const auto end = AwaitCommand(shell, 2, &out);
  ASSERT_TRUE(end.has_value());
  EXPECT_EQ(end->exit_code, 0);
  EXPECT_EQ(out, "/usr\nkept\n");
}

// Before bash has set its trap it dies of an interrupt as any program; afterwards it has none to
// abandon, or one. Whichever it is, both ends say so, and a shell that says it lives does.
TEST_F(SandboxShellTest, AnInterruptWhileItStartsEndsItTypedOrLeavesItWhole) {
  int ended = 0;
  constexpr int kShells = 24;
  for (int i = 0; i < kShells; ++i) {
    const auto shell = StartShell(absl::StrCat("s", i));
    ASSERT_NE(shell, nullptr);
    for (int later = 0; later < i * 20; ++later) std::this_thread::yield();
    (void)shell->Signal(SIGINT, SignalScope::kTree);  // refused where it has ended
    std::string out;
    const auto given = Give(shell, 1, "echo ran");
    std::optional<CommandResult> end;
    if (given.ok()) end = AwaitCommand(shell, 1, &out);
    if (end.has_value() && !end->shell_ended) {
      // An interrupt that it took between reading the command and running it was the command's.
      EXPECT_TRUE((end->exit_code == 0 && out == "ran\n") || end->exit_code == 130) << out;
      out.clear();
      ASSERT_TRUE(Give(shell, 2, "echo again; exit 7").ok());
      ASSERT_TRUE(AwaitCommand(shell, 2, &out).has_value());
      EXPECT_EQ(out, "again\n");
      EXPECT_EQ(Collect(shell)->result.exit_code, 7);
      continue;
    }
    ++ended;
    EXPECT_EQ(out, "") << "a command of a shell that had not begun";
    if (end.has_value()) {
      EXPECT_EQ(end->cause, CommandCause::kShellEnded);
    }
    const auto result = Collect(shell);
    ASSERT_TRUE(result.ok()) << result.status();
    EXPECT_EQ(result->result.cause, ExecResult::Cause::kKilledByClient);
    EXPECT_EQ(result->result.signal, SIGINT);
  }
  RecordProperty("ended", ended);
}

}  // namespace
}  // namespace glovebox
