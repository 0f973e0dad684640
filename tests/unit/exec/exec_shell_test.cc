// The daemon's side of a persistent shell against a region that init's own writer fills.
#include <gtest/gtest.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstring>
#include <string>

#include "base/status.h"
#include "exec/exec.h"
#include "exec/shell_program.h"
#include "init/region_writer.h"

namespace glovebox {
namespace {

std::string ReasonOf(const absl::Status& status) {
  return GetErrorDetail(status).value_or(ErrorDetail{}).reason;
}

ShellCommand Command(const std::string& script, std::optional<uint64_t> number = std::nullopt) {
  ShellCommand command;
  command.script = script;
  command.number = number;
  return command;
}

class ExecShellTest : public ::testing::Test {
 protected:
  void SetUp() override {
    ASSERT_NE(::mkdtemp(directory_), nullptr);
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    path_ = std::string(directory_) + "/socket";
    std::strncpy(address.sun_path, path_.c_str(), sizeof address.sun_path - 1);
    listening_.Reset(::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0));
    ASSERT_EQ(::bind(listening_.get(), reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
    ASSERT_EQ(::listen(listening_.get(), 1), 0);
    auto client = InitClient::Connect(path_);
    ASSERT_TRUE(client.ok()) << client.status();
    ExecSpec spec;
    spec.shell = true;
    spec.head_bytes = 4096;
    spec.ring_bytes = 64 * 1024;
    auto region = OutputRegion::Create(spec);
    ASSERT_TRUE(region.ok()) << region.status();
    ASSERT_EQ(writer_.Map(region->fd()), 0);
    exec_ = std::make_shared<Exec>("shell", 1, spec, *std::move(region),
                                   std::shared_ptr<InitClient>(*std::move(client)));
  }
  void TearDown() override {
    if (writer_.mapped()) writer_.Unmap();
    (void)::unlink(path_.c_str());
    (void)::rmdir(directory_);
  }

  void Write(OutputStream stream, const void* data, size_t size) {
    const RegionWriter::Space space =
        writer_.Reserve(stream, static_cast<uint32_t>(size), /*hold=*/false);
    ASSERT_EQ(space.size, size);
    std::memcpy(space.data, data, size);
    writer_.Commit(stream, static_cast<uint32_t>(size), 1);
  }
  void Print(const std::string& text) { Write(OutputStream::kStdout, text.data(), text.size()); }
  void Begin(uint64_t number, const std::string& script) {
    news_ = {};
    news_.running = true;
    news_.number = number;
    news_.fingerprint = ShellFingerprint({.number = {}, .reader = "", .script = script});
    news_.started_sequence = writer_.sequence() + 1;
    writer_.SetShell(news_);
    const CommandStartedRecord record{number};
    Write(OutputStream::kCommandStarted, &record, sizeof record);
  }
  void End(int32_t exit_code) {
    const CommandEndedRecord record{news_.number, CommandCause::kExited, exit_code, 0, 0};
    news_.running = false;
    news_.end = record;
    news_.ended_sequence = writer_.sequence() + 1;
    writer_.SetShell(news_);
    Write(OutputStream::kCommandEnded, &record, sizeof record);
  }
  // The frames of one command, as text.
  std::string Follow(const ShellTicket& ticket) {
    OutputReader reader(exec_, ticket.from_sequence, OutputReader::NeverWaitedFor());
    reader.FollowCommand(ticket.number);
    std::string text;
    for (;;) {
      const auto frame = reader.Next();
      if (!frame.ok()) return text + ReasonOf(frame.status());
      if (!frame->has_value()) return text + "...";
      switch ((*frame)->kind) {
        case OutputFrame::Kind::kCommandStarted:
          text += "<";
          break;
        case OutputFrame::Kind::kData:
          text += (*frame)->data;
          break;
        case OutputFrame::Kind::kGap:
          text += "~";
          break;
        case OutputFrame::Kind::kCommandEnded:
          text += ">" + std::to_string((*frame)->command->exit_code.value_or(-1));
          break;
        case OutputFrame::Kind::kStarted:
        case OutputFrame::Kind::kEnd:
          text += "!";
          break;
      }
      if ((*frame)->last) return text;
    }
  }

  char directory_[32] = "/tmp/glovebox-shell-XXXXXX";
  std::string path_;
  UniqueFd listening_;
  RegionWriter writer_;
  RegionWriter::ShellNews news_;
  std::shared_ptr<Exec> exec_;
};

TEST_F(ExecShellTest, ACommandsFramesBeginWithItsStartAndEndWithItsEnd) {
  Begin(1, "a");
  Print("of 1 ");
  End(0);
  Print("between ");
  const auto ticket = exec_->RunShellCommand(Command("b"));
  ASSERT_TRUE(ticket.ok()) << ticket.status();
  EXPECT_EQ(ticket->number, 2u);
  Print("late ");
  Begin(2, "b");
  Print("of 2");
  EXPECT_EQ(Follow(*ticket), "<of 2...");
  End(7);
  Print("after");
  EXPECT_EQ(Follow(*ticket), "<of 2>7");
  EXPECT_EQ(exec_->Shell().number, 2u);
}

TEST_F(ExecShellTest, ARepeatedNumberIsTheSameCommand) {
  const auto first = exec_->RunShellCommand(Command("a", 1));
  ASSERT_TRUE(first.ok()) << first.status();
  EXPECT_TRUE(exec_->RunShellCommand(Command("a", 1)).ok()) << "before init has it";
  EXPECT_EQ(ReasonOf(exec_->RunShellCommand(Command("x", 1)).status()), "COMMAND_NUMBER_REUSED");
  Begin(1, "a");
  Print("text");
  End(3);
  const auto again = exec_->RunShellCommand(Command("a", 1));
  ASSERT_TRUE(again.ok()) << again.status();
  EXPECT_EQ(Follow(*again), "<text>3");
  EXPECT_EQ(ReasonOf(exec_->RunShellCommand(Command("x", 1)).status()), "COMMAND_NUMBER_REUSED");
}

TEST_F(ExecShellTest, OneCommandAtATimeInTheOrderOfNumbers) {
  EXPECT_EQ(ReasonOf(exec_->RunShellCommand(Command("a", 2)).status()), "COMMAND_IN_FUTURE");
  ASSERT_TRUE(exec_->RunShellCommand(Command("a")).ok());
  EXPECT_EQ(ReasonOf(exec_->RunShellCommand(Command("b")).status()), "SHELL_BUSY");
  Begin(1, "a");
  EXPECT_EQ(ReasonOf(exec_->RunShellCommand(Command("b")).status()), "SHELL_BUSY");
  End(0);
  ASSERT_TRUE(exec_->RunShellCommand(Command("b", 2)).ok());
  Begin(2, "b");
  End(0);
  EXPECT_EQ(ReasonOf(exec_->RunShellCommand(Command("a", 1)).status()), "COMMAND_PASSED");
}

TEST_F(ExecShellTest, NulsAndScriptsBeyondTheLimitAreRefused) {
  const auto reason = [this](const std::string& script) {
    return ReasonOf(exec_->RunShellCommand(Command(script)).status());
  };
  EXPECT_EQ(reason(std::string("a\0b", 3)), "INVALID_FIELD");
  EXPECT_EQ(reason(std::string(kShellScriptBytesMax + 1, 'x')), "INVALID_FIELD");
  EXPECT_EQ(reason(std::string(kShellScriptBytesMax, 'x')), "");
}

TEST_F(ExecShellTest, TheEndIsKnownToAReaderThatWasTooSlowForItsRecord) {
  const auto ticket = exec_->RunShellCommand(Command("a"));
  ASSERT_TRUE(ticket.ok()) << ticket.status();
  Begin(1, "a");
  Print(std::string(4000, 'h'));
  End(5);
  for (int i = 0; i < 100; ++i) Print(std::string(1000, 'x'));
  const std::string seen = Follow(*ticket);
  EXPECT_EQ(seen.substr(seen.size() - 3), "~>5");
}

TEST_F(ExecShellTest, AnEndThatIsLostBehindALaterCommandIsAnErrorAndNotInvented) {
  const auto ticket = exec_->RunShellCommand(Command("a"));
  ASSERT_TRUE(ticket.ok()) << ticket.status();
  Begin(1, "a");
  Print(std::string(4000, 'h'));
  End(5);
  for (int i = 0; i < 100; ++i) Print(std::string(1000, 'x'));
  Begin(2, "b");
  const std::string seen = Follow(*ticket);
  EXPECT_NE(seen.find("COMMAND_END_DROPPED"), std::string::npos);
}

TEST_F(ExecShellTest, AfterTheShellsEndItsLatestCommandCanStillBeAskedFor) {
  ASSERT_TRUE(exec_->RunShellCommand(Command("a")).ok());
  Begin(1, "a");
  End(4);
  exec_->OnSandboxGone();
  const auto again = exec_->RunShellCommand(Command("a", 1));
  ASSERT_TRUE(again.ok()) << again.status();
  EXPECT_EQ(Follow(*again), "<>4");
  EXPECT_EQ(ReasonOf(exec_->RunShellCommand(Command("b")).status()), "EXEC_ENDED");
  EXPECT_EQ(ReasonOf(exec_->RunShellCommand(Command("b", 2)).status()), "EXEC_ENDED");
}

TEST(ShellStateTest, WhatAHostileInitSaysIsChecked) {
  CommandEndedRecord record{1, CommandCause::kExited, 0, 0, 0};
  EXPECT_TRUE(ReadCommandEnd(record).has_value());
  record.exit_code = 256;
  EXPECT_FALSE(ReadCommandEnd(record).has_value());
  record = {1, static_cast<CommandCause>(9), 0, 0, 0};
  EXPECT_FALSE(ReadCommandEnd(record).has_value());
  record = {1, CommandCause::kShellEnded, -1, 65, 1};
  EXPECT_FALSE(ReadCommandEnd(record).has_value());
  EXPECT_FALSE(ReadCommandEnd("short").has_value());
  ShellWords words{};
  words.number = 1;
  words.version.store(1);  // for ever in the middle of a change
  EXPECT_EQ(ReadShellState(words).number, 0u);
}

TEST(ShellProgramTest, InputTellsItsLinesAndBytes) {
  EXPECT_EQ(EncodeShellInput("a\nb"), "2 4\na\nb\n");
  EXPECT_EQ(EncodeShellInput(""), "1 1\n\n");
}

}  // namespace
}  // namespace glovebox
