#include <gtest/gtest.h>
#include <signal.h>
#include <unistd.h>

#include <numeric>

#include "tests/kernel/init/init_rig.h"

namespace glovebox {
namespace {

class OutputTest : public testing::Test {
 protected:
  static Spec Script(const std::string& text) {
    Spec spec;
    spec.argv = {"/bin/sh", "-c", text};
    return spec;
  }
  // Reads what is in the ring of stdout from `next_sequence` on.
  void TakeRecords(TestExec* exec, uint64_t* next_sequence, std::string* got) {
    for (const Record& record : exec->Records()) {
      if (record.sequence < *next_sequence) continue;
      EXPECT_EQ(record.sequence, *next_sequence) << "a gap";
      *next_sequence = record.sequence + 1;
      *got += record.data;
      ends_[got->size()] = *next_sequence;
    }
  }
  void MoveGate(TestExec* exec, uint64_t sequence) {
    exec->header().gate_sequence.store(sequence);
    if (exec->header().writer_waiting.load() != 0) {
      sandbox_->Send(FrameKind::kResume, exec->exec_no, nullptr, 0);
    }
  }
  // Plays a reader that paces, until the end.
  ExecEnd ReadPaced(TestExec* exec, std::string* got, uint64_t next_sequence = 1) {
    for (;;) {
      exec->header().reader_waiting.store(1);
      size_t before = got->size();
      TakeRecords(exec, &next_sequence, got);
      if (got->size() > before) {
        MoveGate(exec, next_sequence - 1);
        continue;
      }
      Frame frame = sandbox_->Next();
      if (frame.header.kind != FrameKind::kEnd) continue;
      TakeRecords(exec, &next_sequence, got);
      sandbox_->Send(FrameKind::kAckEnd, exec->exec_no, nullptr, 0);
      return frame.As<ExecEnd>();
    }
  }
  std::map<size_t, uint64_t> ends_;  // of records taken: bytes so far, the next sequence
  InitRig rig_;
  std::unique_ptr<TestSandbox> sandbox_ = rig_.Ready();
};

TEST_F(OutputTest, BothStreamsShareOneRisingSequence) {
  auto exec = sandbox_->Start(
      Script("for i in 1 2 3; do echo out$i; sleep 0.02; echo err$i >&2; sleep 0.02; done"));
  ExecEnd end = sandbox_->AwaitEnd(exec.get());
  std::vector<Record> records = exec->Records();
  ASSERT_GE(records.size(), 2u);  // a late reader finds several writes in one record
  uint64_t bytes = 0;
  for (size_t i = 0; i < records.size(); ++i) {
    EXPECT_EQ(records[i].sequence, i + 1);
    EXPECT_EQ(records[i].bytes_before, bytes);
    bytes += records[i].data.size();
  }
  EXPECT_EQ(end.frame_count, records.size());
  EXPECT_EQ(exec->Output(OutputStream::kStdout), "out1\nout2\nout3\n");
  EXPECT_EQ(exec->Output(OutputStream::kStderr), "err1\nerr2\nerr3\n");
  EXPECT_EQ(end.bytes_total[0], 15u);
  EXPECT_EQ(end.bytes_total[1], 15u);
}

TEST_F(OutputTest, OverflowKeepsHeadAndTailAndCountsTheRest) {
  Spec spec = Script("seq 1 200000");
  spec.head_size = 8 * 1024;
  spec.ring_size = 64 * 1024;
  auto exec = sandbox_->Start(spec);
  ExecEnd end = sandbox_->AwaitEnd(exec.get());
  std::string all;
  for (int i = 1; i <= 200000; ++i) all += std::to_string(i) + "\n";
  EXPECT_EQ(end.bytes_total[0], all.size());
  std::string head, tail;
  for (const Record& record : exec->HeadRecords()) head += record.data;
  for (const Record& record : exec->RingRecords(0)) tail += record.data;
  EXPECT_GT(head.size(), 7u * 1024);
  EXPECT_GT(tail.size(), 16u * 1024);
  EXPECT_EQ(head, all.substr(0, head.size()));
  EXPECT_EQ(tail, all.substr(all.size() - tail.size()));
  EXPECT_EQ(end.bytes_dropped[0], all.size() - head.size() - tail.size());
  std::vector<Record> ring = exec->RingRecords(0);
  EXPECT_EQ(ring.back().sequence, end.frame_count);
  EXPECT_EQ(ring.front().bytes_before, all.size() - tail.size());
}

TEST_F(OutputTest, BackPressureLosesNoByte) {
  Spec spec = Script("seq 1 300000");
  spec.head_size = 4096;
  spec.ring_size = 32 * 1024;
  spec.wire.output_policy = OutputPolicy::kBackPressure;
  spec.arm_gate = true;
  auto exec = sandbox_->Start(spec);
  std::string all, got;
  for (int i = 1; i <= 300000; ++i) all += std::to_string(i) + "\n";
  ExecEnd end = ReadPaced(exec.get(), &got);
  EXPECT_EQ(end.bytes_total[0], all.size());
  EXPECT_EQ(got.size(), all.size());
  EXPECT_TRUE(got == all);
}

TEST_F(OutputTest, AFloodOnOneStreamLeavesTheOtherWhole) {
  Spec spec = Script("echo first >&2; seq 1 400000; echo between >&2; seq 1 400000; echo last >&2");
  spec.head_size = 0;
  spec.ring_size = 64 * 1024;
  auto exec = sandbox_->Start(spec);
  ExecEnd end = sandbox_->AwaitEnd(exec.get());
  EXPECT_EQ(exec->Output(OutputStream::kStderr), "first\nbetween\nlast\n");
  EXPECT_EQ(end.bytes_total[1], 19u);
  EXPECT_EQ(end.bytes_dropped[1], 0u);
  EXPECT_GT(end.bytes_dropped[0], 5'000'000u);
  EXPECT_EQ(end.bytes_dropped[0] + exec->Output(OutputStream::kStdout).size(), end.bytes_total[0]);
}

TEST_F(OutputTest, BackPressureWithNobodyPacingWaitsForTheHoldLimitThenDrops) {
  Spec spec = Script("seq 1 300000");
  spec.head_size = 4096;
  spec.ring_size = 64 * 1024;
  spec.wire.output_policy = OutputPolicy::kBackPressure;
  spec.wire.hold_limit_ms = 300;
  auto exec = sandbox_->Start(spec);
  ExecEnd end = sandbox_->AwaitEnd(exec.get());
  EXPECT_GE(end.ended_ns - end.started_ns, 300'000'000);
  EXPECT_EQ(end.exit_code, 0);
  EXPECT_GT(end.bytes_dropped[0], 1'000'000u);
  EXPECT_EQ(exec->Records().back().sequence, end.frame_count);
}

TEST_F(OutputTest, APacerThatLeavesGivesTheCommandTheHoldLimit) {
  Spec spec = Script("seq 1 300000");
  spec.ring_size = 64 * 1024;
  spec.wire.output_policy = OutputPolicy::kBackPressure;
  spec.wire.hold_limit_ms = 200;
  spec.arm_gate = true;
  auto exec = sandbox_->Start(spec);
  for (int i = 0; i < 10'000 && exec->header().writer_waiting.load() == 0; ++i) usleep(1000);
  exec->header().gate_armed.store(0);
  sandbox_->Send(FrameKind::kResume, exec->exec_no, nullptr, 0);
  EXPECT_GT(sandbox_->AwaitEnd(exec.get()).bytes_dropped[0], 1'000'000u);
}

TEST_F(OutputTest, APacerThatComesBackWithAnOlderCursorSeesEveryByteOnce) {
  Spec spec = Script("seq 1 300000");
  spec.head_size = 4096;
  spec.ring_size = 64 * 1024;
  spec.wire.output_policy = OutputPolicy::kBackPressure;
  spec.wire.hold_limit_ms = 60'000;
  spec.arm_gate = true;
  auto exec = sandbox_->Start(spec);
  std::string all, delivered;
  for (int i = 1; i <= 300000; ++i) all += std::to_string(i) + "\n";
  uint64_t next_sequence = 1;
  for (int kill = 0; kill < 5; ++kill) {
    const size_t until = delivered.size() + 60'000;
    while (delivered.size() < until) {
      exec->header().reader_waiting.store(1);
      size_t before = delivered.size();
      TakeRecords(exec.get(), &next_sequence, &delivered);
      MoveGate(exec.get(), next_sequence - 1);
      if (delivered.size() == before) sandbox_->Next();
    }
    sandbox_->Disconnect();
    // The daemon dies; what it had delivered last was still on its way: less than half a ring.
    const auto arrived = std::prev(ends_.upper_bound(delivered.size() - 12'000));
    delivered.resize(arrived->first);
    next_sequence = arrived->second;
    sandbox_->Connect();
    EXPECT_EQ(exec->header().gate_armed.load(), 0u);
    exec->header().gate_armed.store(1);
  }
  ExecEnd end = ReadPaced(exec.get(), &delivered, next_sequence);
  EXPECT_EQ(end.bytes_total[0], all.size());
  EXPECT_TRUE(delivered == all) << delivered.size();
}

TEST_F(OutputTest, StdinIsTakenByOffsetOnceAndEofEndsIt) {
  Spec spec;
  spec.argv = {"cat"};
  spec.wire.stdin_mode = StdinMode::kPipe;
  auto exec = sandbox_->Start(spec);
  sandbox_->SendInput(*exec, 0, "hello ", false);
  sandbox_->SendInput(*exec, 0, "hello ", false);    // repeated
  sandbox_->SendInput(*exec, 3, "lo world", false);  // half repeated
  sandbox_->SendInput(*exec, 100, "beyond", false);  // a gap: not taken
  sandbox_->SendInput(*exec, 11, "!\n", true);
  ExecEnd end = sandbox_->AwaitEnd(exec.get());
  EXPECT_EQ(end.exit_code, 0);
  EXPECT_EQ(exec->Output(OutputStream::kStdout), "hello world!\n");
}

TEST_F(OutputTest, StdinBeyondTheWindowIsNotTaken) {
  Spec spec;
  spec.argv = {"sleep", "1000"};
  spec.wire.stdin_mode = StdinMode::kPipe;
  auto exec = sandbox_->Start(spec);
  std::string chunk(16 * 1024, 'x');
  uint64_t offset = 0;
  StdinAckBody ack{};
  for (int i = 0; i < 16; ++i) {
    sandbox_->SendInput(*exec, offset, chunk, false);
    ack = sandbox_->NextOf(FrameKind::kStdinAck).As<StdinAckBody>();
    offset = ack.accepted;
  }
  EXPECT_EQ(ack.accepted - ack.written, kStdinWindow);
  EXPECT_LT(ack.accepted, 16 * chunk.size());
  sandbox_->Send(FrameKind::kSignal, exec->exec_no, SignalBody{SIGKILL, SignalScope::kTree});
  sandbox_->AwaitEnd(exec.get());
}

TEST_F(OutputTest, ClosedStdinIsTold) {
  Spec spec = Script("exec 0<&-; sleep 1000");
  spec.wire.stdin_mode = StdinMode::kPipe;
  auto exec = sandbox_->Start(spec);
  StdinAckBody ack{};
  while (ack.closed == 0) ack = sandbox_->NextOf(FrameKind::kStdinAck).As<StdinAckBody>();
  EXPECT_EQ(ack.accepted, 0u);
  sandbox_->Send(FrameKind::kSignal, exec->exec_no, SignalBody{SIGKILL, SignalScope::kTree});
  sandbox_->AwaitEnd(exec.get());
}

TEST_F(OutputTest, TerminalHasSizeOwnerInputAndResize) {
  Spec spec = Script(
      "stty size; tty=$(readlink /proc/self/fd/0); [ -O $tty ] && echo mine; "
      "echo $TERM; trap 'stty size; exit 4' WINCH; echo ready; "
      "while :; do sleep 0.01; done");
  spec.wire.terminal = 1;
  spec.wire.rows = 33;
  spec.wire.columns = 101;
  auto exec = sandbox_->Start(spec);
  while (exec->Output(OutputStream::kTerminal).find("ready") == std::string::npos) {
    exec->header().reader_waiting.store(1);
    if (exec->Output(OutputStream::kTerminal).find("ready") != std::string::npos) break;
    sandbox_->Next();
  }
  sandbox_->Send(FrameKind::kResize, exec->exec_no, ResizeBody{20, 60});
  ExecEnd end = sandbox_->AwaitEnd(exec.get());
  EXPECT_EQ(end.exit_code, 4);
  EXPECT_EQ(exec->Output(OutputStream::kTerminal),
            "33 101\r\nmine\r\nxterm-256color\r\nready\r\n20 60\r\n");
}

TEST_F(OutputTest, EofOnATerminalIsItsCharacter) {
  Spec spec = Script("stty -echo; echo go; cat; echo done");
  spec.wire.terminal = 1;
  auto exec = sandbox_->Start(spec);
  while (exec->Output(OutputStream::kTerminal).find("go") == std::string::npos) {
    exec->header().reader_waiting.store(1);
    if (exec->Output(OutputStream::kTerminal).find("go") != std::string::npos) break;
    sandbox_->Next();
  }
  sandbox_->SendInput(*exec, 0, "line\n", true);
  EXPECT_EQ(sandbox_->AwaitEnd(exec.get()).exit_code, 0);
  EXPECT_EQ(exec->Output(OutputStream::kTerminal), "go\r\nline\r\ndone\r\n");
}

TEST_F(OutputTest, OutputLimitKillsTheTree) {
  Spec spec = Script("yes");
  spec.wire.output_bytes_max = 100'000;
  ExecEnd end = sandbox_->Run(spec);
  EXPECT_EQ(end.cause, EndCause::kOutputLimit);
  EXPECT_EQ(end.signal, SIGKILL);
  EXPECT_GT(end.bytes_total[0], 100'000u);
}

TEST_F(OutputTest, OutputAndEndOutliveTheConnection) {
  auto first = sandbox_->Start(Script("echo a; sleep 0.1; echo b; exit 5"));
  auto second = sandbox_->Start(Script("seq 1 1000; sleep 1000"));
  sandbox_->NextOf(FrameKind::kStarted);
  sandbox_->NextOf(FrameKind::kStarted);
  sandbox_->Disconnect();
  sandbox_->Connect();
  ExecEnd end = sandbox_->AwaitEnd(first.get());
  EXPECT_EQ(end.exit_code, 5);
  EXPECT_EQ(first->Output(OutputStream::kStdout), "a\nb\n");
  // An end that nobody has acknowledged is told again.
  sandbox_->Send(FrameKind::kSignal, second->exec_no, SignalBody{SIGKILL, SignalScope::kTree});
  EXPECT_EQ(sandbox_->NextOf(FrameKind::kEnd).header.exec_no, second->exec_no);
  sandbox_->Disconnect();
  sandbox_->Connect();
  EXPECT_EQ(sandbox_->AwaitEnd(second.get()).cause, EndCause::kKilledByClient);
  sandbox_->Disconnect();
  sandbox_->Connect();
  EXPECT_EQ(sandbox_->Run(Script("exit 0")).exit_code, 0);
}

TEST_F(OutputTest, NewestConnectionWins) {
  auto exec = sandbox_->Start(Script("sleep 0.2; exit 6"));
  sandbox_->NextOf(FrameKind::kStarted);
  UniqueFd old = std::move(sandbox_->connection);
  sandbox_->Connect();
  EXPECT_EQ(sandbox_->AwaitEnd(exec.get()).exit_code, 6);
}

}  // namespace
}  // namespace glovebox
