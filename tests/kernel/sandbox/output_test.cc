// Output and input of commands in whole sandboxes: what is kept, what a reader costs, what is
// refused.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cerrno>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/synchronization/notification.h"
#include "base/ids.h"
#include "base/status.h"
#include "tests/support/suite_world.h"

namespace glovebox {
namespace {

class SandboxOutputTest : public SuiteWorld<SandboxOutputTest> {
 protected:
  void Make(const CreateOptions& options = {}) {
    sandbox_ = Create(options);
    ASSERT_NE(sandbox_, nullptr);
  }
  void TearDown() override {
    if (sandbox_ == nullptr) return;
    EXPECT_TRUE(world_->manager().Delete(sandbox_->id()).ok());
  }
  std::shared_ptr<Exec> Start(const ExecSpec& spec) {
    auto exec = sandbox_->StartExec(NewRandomId(), spec);
    EXPECT_TRUE(exec.ok()) << exec.status();
    return exec.ok() ? *exec : nullptr;
  }
  static std::string Numbers(int last) {
    std::string all;
    for (int i = 1; i <= last; ++i) all += absl::StrCat(i, "\n");
    return all;
  }
  // Everything from `from_sequence` on; gaps by their bytes.
  struct Reading {
    std::string out, err;
    uint64_t gap_bytes = 0, bytes = 0, next = 1;
    bool in_order = true;
  };
  static Reading ReadAll(const std::shared_ptr<Exec>& exec, uint64_t from_sequence) {
    OutputReader reader(exec, from_sequence, OutputReader::NeverWaitedFor());
    Reading reading;
    reading.next = from_sequence;
    for (;;) {
      auto frame = reader.Next();
      EXPECT_TRUE(frame.ok()) << frame.status();
      if (!frame.ok() || !frame->has_value()) return reading;
      const OutputFrame& got = **frame;
      if (got.kind == OutputFrame::Kind::kEnd) return reading;
      if (got.kind == OutputFrame::Kind::kStarted) continue;
      reading.in_order = reading.in_order && got.sequence == reading.next;
      reading.next = got.kind == OutputFrame::Kind::kGap ? got.sequence_to + 1 : got.sequence + 1;
      reading.gap_bytes += got.gap_bytes;
      reading.bytes += got.data.size();
      (got.stream == OutputStream::kStderr ? reading.err : reading.out) += got.data;
    }
  }
  // As a client does: goes on until all of it was taken.
  static absl::StatusOr<uint64_t> WriteAllStdin(Exec& exec, uint64_t offset,
                                                const std::string& data, bool eof) {
    for (;;) {
      const auto changed = std::make_shared<absl::Notification>();
      const uint64_t token = exec.Watch([changed] { changed->Notify(); });
      ASSIGN_OR_RETURN(const uint64_t taken, exec.WriteStdin(offset, data, eof));
      if (taken == offset + data.size()) {
        exec.Unwatch(token);
        return taken;
      }
      changed->WaitForNotification();
    }
  }
  std::shared_ptr<Sandbox> sandbox_;
};

TEST_F(SandboxOutputTest, AFullLogShowsEveryByteFromAnyCursorDuringTheRunAndAfterItsEnd) {
  Make();
  ExecSpec spec = Shell("echo first >&2; seq 1 500000; echo last >&2");
  spec.head_bytes = 4096;
  spec.ring_bytes = 64 * 1024;
  spec.full_log_bytes = 1 << 30;
  const std::string all = Numbers(500000);
  auto exec = Start(spec);
  ASSERT_NE(exec, nullptr);
  auto outcome = Collect(exec);  // while it runs, as slow as it likes
  ASSERT_TRUE(outcome.ok()) << outcome.status();
  EXPECT_EQ(outcome->gap_bytes, 0u);
  EXPECT_TRUE(outcome->out == all);
  EXPECT_EQ(outcome->err, "first\nlast\n");
  EXPECT_EQ(outcome->result.log_error, 0);
  EXPECT_EQ(outcome->result.log_last_sequence, outcome->result.last_sequence);
  EXPECT_EQ(outcome->result.bytes_dropped[0] + outcome->result.bytes_dropped[1], 0u);
  const Reading whole = ReadAll(exec, 1);
  EXPECT_TRUE(whole.in_order);
  EXPECT_EQ(whole.gap_bytes, 0u);
  EXPECT_TRUE(whole.out == all);
  const uint64_t last = outcome->result.last_sequence;
  for (uint64_t from : {last / 4, last / 2, last - 1, last, last + 1}) {
    const Reading part = ReadAll(exec, from);
    EXPECT_TRUE(part.in_order) << from;
    EXPECT_EQ(part.next, last + 1) << from;
    EXPECT_EQ(part.gap_bytes, 0u) << from;
    EXPECT_TRUE(all.ends_with(part.out)) << from;
  }
}

TEST_F(SandboxOutputTest, AFullLogEndsWhereTheDiskIsFullAndTheCommandGoesOn) {
  CreateOptions options;
  options.limits.disk_bytes = 16 << 20;
  Make(options);
  ExecSpec spec = Shell("yes | head -c 60000000; echo done >&2");
  spec.full_log_bytes = 1 << 30;
  auto exec = Start(spec);
  ASSERT_NE(exec, nullptr);
  auto outcome = Collect(exec);
  ASSERT_TRUE(outcome.ok()) << outcome.status();
  EXPECT_EQ(outcome->result.exit_code, 0);
  EXPECT_EQ(outcome->result.log_error, ENOSPC);
  EXPECT_LT(outcome->result.log_bytes, 16u << 20);
  EXPECT_EQ(outcome->err, "done\n");
  const Reading after = ReadAll(exec, 1);
  EXPECT_EQ(after.bytes + after.gap_bytes, 60'000'005u);
  EXPECT_EQ(after.gap_bytes, outcome->result.bytes_dropped[0]);
}

TEST_F(SandboxOutputTest, AFloodWithoutAReaderIsCountedToTheByte) {
  Make();
  constexpr uint64_t kBytes = 1'000'000'000;
  ExecSpec spec =
      Shell(absl::StrCat("echo before >&2; head -c ", kBytes, " /dev/zero; echo after >&2"));
  auto exec = Start(spec);
  ASSERT_NE(exec, nullptr);
  while (!exec->Snapshot().result.has_value()) {
    const auto changed = std::make_shared<absl::Notification>();
    exec->Watch([changed] { changed->Notify(); });
    if (!exec->Snapshot().result.has_value()) changed->WaitForNotification();
  }
  const ExecResult result = *exec->Snapshot().result;
  EXPECT_EQ(result.exit_code, 0);
  EXPECT_EQ(result.bytes_total[0], kBytes);
  EXPECT_EQ(result.bytes_total[1], 13u);
  EXPECT_EQ(result.bytes_dropped[1], 0u);
  const Reading reading = ReadAll(exec, 1);
  EXPECT_TRUE(reading.in_order);
  EXPECT_EQ(reading.err, "before\nafter\n");
  EXPECT_EQ(reading.out.size(), kBytes - result.bytes_dropped[0]);
  EXPECT_EQ(reading.gap_bytes, result.bytes_dropped[0]);
  EXPECT_LE(reading.bytes, spec.head_bytes + spec.ring_bytes + spec.stderr_ring_bytes);
}

TEST_F(SandboxOutputTest, AHundredReadersOfOneCommandEachSeeItAll) {
  Make();
  auto exec = Start(Shell("for i in $(seq 1 2000); do echo $i; done"));
  ASSERT_NE(exec, nullptr);
  std::vector<std::thread> threads;
  std::vector<std::string> outputs(100);
  for (std::string& output : outputs) {
    threads.emplace_back([&exec, &output] {
      auto outcome = Collect(exec);
      if (outcome.ok()) output = outcome->out;
    });
  }
  for (std::thread& thread : threads) thread.join();
  const std::string all = Numbers(2000);
  for (const std::string& output : outputs) EXPECT_EQ(output, all);
}

TEST_F(SandboxOutputTest, AReaderThatNeverReadsHoldsUpNobody) {
  Make();
  auto exec = Start(Shell("seq 1 300000"));
  ASSERT_NE(exec, nullptr);
  OutputReader stuck(exec, 0, OutputReader::WaitedFor());  // the policy is to drop: it has no say
  auto outcome = Collect(exec);
  ASSERT_TRUE(outcome.ok()) << outcome.status();
  EXPECT_EQ(outcome->out.size() + outcome->gap_bytes, Numbers(300000).size());
}

TEST_F(SandboxOutputTest, OutputThatCommandsMayRetainIsAShareOfTheSandboxsMemory) {
  CreateOptions options;
  options.limits.memory_bytes = 64 << 20;
  Make(options);
  ExecSpec spec = Shell("sleep 1000");
  spec.ring_bytes = 20 << 20;
  ASSERT_NE(Start(spec), nullptr);
  const absl::Status refused = sandbox_->StartExec("second", spec).status();
  EXPECT_TRUE(absl::IsResourceExhausted(refused)) << refused;
  EXPECT_EQ(GetErrorDetail(refused)->reason, "OUTPUT_MEMORY");
  spec.ring_bytes = 64 << 10;
  EXPECT_NE(Start(spec), nullptr);
}

TEST_F(SandboxOutputTest, StdinTakesARepeatedRangeOnceAndRefusesAGapWithTheOffsetToGoOnFrom) {
  Make();
  ExecSpec spec = Shell("cat; echo closed");
  spec.stdin_open = true;
  auto exec = Start(spec);
  ASSERT_NE(exec, nullptr);
  EXPECT_EQ(*WriteAllStdin(*exec, 0, "hello ", false), 6u);
  EXPECT_EQ(*WriteAllStdin(*exec, 0, "hello ", false), 6u);
  EXPECT_EQ(*WriteAllStdin(*exec, 3, "lo world", false), 11u);
  const absl::Status gap = exec->WriteStdin(20, "beyond", false).status();
  EXPECT_TRUE(absl::IsOutOfRange(gap)) << gap;
  EXPECT_EQ(GetErrorDetail(gap)->reason, "STDIN_GAP");
  EXPECT_EQ(GetErrorDetail(gap)->metadata.at("accepted_offset"), "11");
  EXPECT_EQ(*WriteAllStdin(*exec, 11, "!\n", true), 13u);
  EXPECT_EQ(*WriteAllStdin(*exec, 11, "!\n", true), 13u);  // the retry of a lost answer
  EXPECT_EQ(GetErrorDetail(exec->WriteStdin(13, "more", false).status())->reason, "STDIN_CLOSED");
  auto outcome = Collect(exec);
  ASSERT_TRUE(outcome.ok()) << outcome.status();
  EXPECT_EQ(outcome->out, "hello world!\nclosed\n");  // the command saw the end of its input
}

TEST_F(SandboxOutputTest, StdinOfACommandThatDoesNotReadIsTakenUpToAnExactOffset) {
  Make();
  ExecSpec spec = Shell("while [ ! -e /tmp/go ]; do sleep 0.05; done; cat");
  spec.ring_bytes = 2 << 20;
  spec.stdin_open = true;
  auto exec = Start(spec);
  ASSERT_NE(exec, nullptr);
  std::string data;
  for (int i = 0; data.size() < (1 << 20); ++i) data += absl::StrCat(i, ",");
  // A call that ends at its deadline leaves what it had given; the next one starts from there.
  uint64_t taken = 0;
  uint64_t before = 1;
  while (taken != before) {
    before = taken;
    auto now = exec->WriteStdin(0, data, false);
    ASSERT_TRUE(now.ok()) << now.status();
    taken = *now;
  }
  EXPECT_LT(taken, data.size());
  EXPECT_EQ(exec->Snapshot().stdin_accepted, taken);
  auto released = RunIn(*sandbox_, Shell("touch /tmp/go"));
  ASSERT_TRUE(released.ok()) << released.status();
  EXPECT_EQ(*WriteAllStdin(*exec, taken, data.substr(taken), true), data.size());
  auto outcome = Collect(exec);
  ASSERT_TRUE(outcome.ok()) << outcome.status();
  EXPECT_EQ(outcome->out.size() + outcome->gap_bytes, data.size());
  EXPECT_TRUE(outcome->out == data);
}

TEST_F(SandboxOutputTest, WithoutStdinACommandReadsTheEndAndAWriteIsRefused) {
  Make();
  auto exec = Start(Shell("cat; echo ended; sleep 1000"));
  ASSERT_NE(exec, nullptr);
  EXPECT_EQ(GetErrorDetail(exec->WriteStdin(0, "x", false).status())->reason, "NO_STDIN");
  OutputReader reader(exec, 0, OutputReader::NeverWaitedFor());
  std::string out;
  while (out != "ended\n") {
    const auto changed = std::make_shared<absl::Notification>();
    auto frame = reader.NextOrWatch([changed] { changed->Notify(); });
    ASSERT_TRUE(frame.ok()) << frame.status();
    if (frame->has_value()) {
      out += (*frame)->data;
    } else {
      changed->WaitForNotification();
    }
  }
}

}  // namespace
}  // namespace glovebox
