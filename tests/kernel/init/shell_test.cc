// What init does for a persistent shell, with a shell program of four lines.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "tests/kernel/init/init_rig.h"

namespace glovebox {
namespace {

// Each command is a line of its own here.
constexpr char kLoop[] =
    "trap 'stop=1; break 9' INT\n"
    "loop='while read -r line <&9; do stop=; eval \"$line\" 9>&-; echo $? >&9; done\n"
    "if [ -n \"$stop\" ]; then echo 130 >&9; eval \"$loop\"; fi'\n"
    "eval \"$loop\"";

class ShellTest : public testing::Test {
 protected:
  virtual std::string Program() const { return kLoop; }
  static Spec Script(const std::string& text) {
    Spec spec;
    spec.argv = {"/bin/sh", "-c", text};
    return spec;
  }

  void SetUp() override {
    Spec spec;
    spec.argv = {"/bin/sh", "-c", Program()};
    spec.wire.shell = 1;
    shell_ = sandbox_->Start(spec);
    sandbox_->NextOf(FrameKind::kStarted);
  }

  void Send(uint64_t number, const std::string& line, uint32_t wall_ms = 0,
            uint32_t grace_ms = 1000) {
    const std::string input = line + "\n";
    UniqueFd memfd(::memfd_create("command", MFD_CLOEXEC | MFD_ALLOW_SEALING));
    ASSERT_EQ(::write(memfd.get(), input.data(), input.size()), static_cast<long>(input.size()));
    ASSERT_EQ(::fcntl(memfd.get(), F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE), 0);
    ShellCommandBody body{};
    body.number = number;
    body.size = static_cast<uint32_t>(input.size());
    body.wall_limit_ms = wall_ms;
    body.term_grace_ms = grace_ms;
    sandbox_->Send(FrameKind::kShellCommand, shell_->exec_no, &body, sizeof body, {memfd.get()});
  }

  // Waits for the end of command `number` by the frames that say that there is output.
  CommandEndedRecord AwaitCommand(uint64_t number) {
    for (;;) {
      shell_->header().reader_waiting.store(1);
      for (const Record& record : shell_->Records()) {
        CommandEndedRecord end{};
        if (record.stream != OutputStream::kCommandEnded) continue;
        EXPECT_EQ(record.data.size(), sizeof end);
        __builtin_memcpy(&end, record.data.data(), sizeof end);
        if (end.number == number) return end;
      }
      const Frame frame = sandbox_->Next();
      if (frame.header.magic == 0) return {};  // it has failed the test already
    }
  }
  CommandEndedRecord Run(uint64_t number, const std::string& line) {
    Send(number, line);
    return AwaitCommand(number);
  }
  // What was written between the start and the end of a command.
  std::string OutputOf(uint64_t number) {
    std::string output;
    bool inside = false;
    for (const Record& record : shell_->Records()) {
      uint64_t of = 0;
      if (!CarriesOutput(record.stream)) __builtin_memcpy(&of, record.data.data(), sizeof of);
      if (of == number) inside = record.stream == OutputStream::kCommandStarted;
      if (inside && CarriesOutput(record.stream)) output += record.data;
    }
    return output;
  }

  InitRig rig_;
  std::unique_ptr<TestSandbox> sandbox_ = rig_.Ready();
  std::unique_ptr<TestExec> shell_;
};

TEST_F(ShellTest, CommandsShareTheShellAndHaveTheirOwnStatus) {
  EXPECT_EQ(Run(1, "cd /dev; x=5; false").exit_code, 1);
  CommandEndedRecord end = Run(2, "echo $PWD $x; sh -c 'exit 7'");
  EXPECT_EQ(end.exit_code, 7);
  EXPECT_EQ(end.cause, CommandCause::kExited);
  EXPECT_EQ(end.shell_ended, 0u);
  EXPECT_EQ(OutputOf(2), "/dev 5\n");
}

TEST_F(ShellTest, EveryByteOfACommandComesBeforeItsEnd) {
  EXPECT_EQ(Run(1, "head -c 700000 /dev/zero; echo last >&2").exit_code, 0);
  EXPECT_EQ(OutputOf(1).size(), 700000u + 5);
}

TEST_F(ShellTest, TheWordsSayWhichCommandIsTheLatest) {
  (void)Run(1, "true");
  const ShellWords& words = shell_->header().shell;
  EXPECT_EQ(words.version.load() % 2, 0u);
  EXPECT_EQ(words.number, 1u);
  EXPECT_EQ(words.running, 0u);
  EXPECT_EQ(words.end.exit_code, 0);
  EXPECT_EQ(words.started_sequence, 1u);
  EXPECT_EQ(words.ended_sequence, 2u);
}

// With busybox's ash only as long as the program has no redirection of its own; bash and dash are
// the end-to-end tests'.
TEST_F(ShellTest, ProgramsOfACommandDoNotGetTheControlSocket) {
  (void)Run(1, "ls -l /proc/self/fd | grep -c socket:");
  EXPECT_EQ(shell_->Output(OutputStream::kStdout), "0\n");
}

TEST_F(ShellTest, ACommandThatIsSentTwiceRunsOnce) {
  Send(1, "echo once");
  Send(1, "echo twice");
  (void)AwaitCommand(1);
  EXPECT_EQ(Run(2, "true").exit_code, 0);
  EXPECT_EQ(shell_->Output(OutputStream::kStdout), "once\n");
}

TEST_F(ShellTest, ALimitEndsTheCommandAndItsProcessesButNotTheShell) {
  Send(1, "x=kept; (trap '' TERM; while :; do sleep 1; done) & sleep 1000", 1000,
       50);  // set by then
  CommandEndedRecord end = AwaitCommand(1);
  EXPECT_EQ(end.cause, CommandCause::kTimedOut);
  EXPECT_EQ(end.exit_code, 130);
  EXPECT_EQ(end.shell_ended, 0u);
  (void)Run(2, "echo $x");
  EXPECT_EQ(OutputOf(2), "kept\n");
  // Killed before the command's end was told; the kernel takes a moment to bury them.
  auto others = [this] {
    const std::string left = ReadWholeFile(shell_->cgroup_path + "/cgroup.procs");
    return std::count(left.begin(), left.end(), '\n') - 1;
  };
  for (int i = 0; i < 1000 && others() > 0; ++i) ::usleep(1000);
  EXPECT_EQ(others(), 0) << "the shell alone";
}

TEST_F(ShellTest, AShellThatDoesNotComeBackEndsWithItsCommand) {
  Send(1, "trap '' INT; while :; do :; done", 1000, 20);  // set by then
  const ExecEnd exec_end = sandbox_->AwaitEnd(shell_.get());
  EXPECT_EQ(exec_end.cause, EndCause::kTimedOut);
  const CommandEndedRecord end = AwaitCommand(1);
  EXPECT_EQ(end.cause, CommandCause::kTimedOut);
  EXPECT_EQ(end.signal, SIGKILL);
  EXPECT_EQ(end.shell_ended, 1u);
}

TEST_F(ShellTest, TheShellsOwnEndIsTheCommandsEndAfterItsOutput) {
  Send(1, "echo last words; exit 3");
  const ExecEnd exec_end = sandbox_->AwaitEnd(shell_.get());
  EXPECT_EQ(exec_end.exit_code, 3);
  const CommandEndedRecord end = AwaitCommand(1);
  EXPECT_EQ(end.cause, CommandCause::kShellEnded);
  EXPECT_EQ(end.exit_code, 3);
  EXPECT_EQ(OutputOf(1), "last words\n");
}

TEST_F(ShellTest, WhatIsNoStatusEndsTheShell) {
  Send(1, "echo 300 >&10");  // ash keeps the socket there meanwhile
  const ExecEnd exec_end = sandbox_->AwaitEnd(shell_.get());
  EXPECT_EQ(exec_end.signal, SIGKILL);
  EXPECT_EQ(AwaitCommand(1).cause, CommandCause::kShellEnded);
}

TEST_F(ShellTest, AShellCanLieAboutItsOwnCommand) {
  EXPECT_EQ(Run(1, "(echo 9 >&10); while :; do sleep 1; done").exit_code, 9);
}

// An interrupt is for the command that the shell has read; before that it is the shell's own.
class StartingShellTest : public ShellTest {
 protected:
  std::string Program() const override {
    return absl::StrCat("echo starting; while [ ! -e /tmp/go ]; do sleep 0.01; done\n", kLoop);
  }
};

TEST_F(StartingShellTest, AnInterruptEndsItAndTheCommandThatItHadNotRead) {
  sandbox_->AwaitOutput(shell_.get(), "starting\n");
  Send(1, "echo never");
  sandbox_->Send(FrameKind::kSignal, shell_->exec_no, SignalBody{SIGINT, SignalScope::kTree});
  const ExecEnd exec_end = sandbox_->AwaitEnd(shell_.get());
  EXPECT_EQ(exec_end.signal, SIGINT);
  const CommandEndedRecord end = AwaitCommand(1);
  EXPECT_EQ(end.cause, CommandCause::kShellEnded);
  EXPECT_EQ(end.signal, SIGINT);
  EXPECT_EQ(end.shell_ended, 1u);
  EXPECT_EQ(OutputOf(1), "");
}

TEST_F(StartingShellTest, ALimitWaitsUntilTheCommandIsRead) {
  sandbox_->AwaitOutput(shell_.get(), "starting\n");
  Send(1, "sleep 1000", 1, 30000);
  sandbox_->Run(Script("touch /tmp/go"));
  const CommandEndedRecord end = AwaitCommand(1);
  EXPECT_EQ(end.cause, CommandCause::kTimedOut);
  EXPECT_EQ(end.shell_ended, 0u);
  EXPECT_EQ(Run(2, "true").exit_code, 0);
}

TEST_F(ShellTest, CommandsGoOnOverANewConnection) {
  Send(1, "sleep 0.1; echo through");
  sandbox_->Disconnect();
  sandbox_->Connect();
  EXPECT_EQ(AwaitCommand(1).exit_code, 0);
  EXPECT_EQ(Run(2, "false").exit_code, 1);
  EXPECT_EQ(OutputOf(1), "through\n");
}

}  // namespace
}  // namespace glovebox
