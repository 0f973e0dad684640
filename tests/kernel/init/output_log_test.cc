// The full log that init writes, as a file.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

#include "tests/kernel/init/init_rig.h"

namespace glovebox {
namespace {

class OutputLogTest : public testing::Test {
 protected:
  std::unique_ptr<TestExec> Start(const std::string& script, uint64_t log_bytes,
                                  const std::string& directory) {
    Spec spec;
    spec.argv = {"/bin/sh", "-c", script};
    spec.head_size = 4096;
    spec.ring_size = 64 * 1024;
    spec.wire.full_log_bytes = log_bytes;
    std::unique_ptr<TestExec> exec = sandbox_->Prepare(spec);
    exec->log.Reset(
        open((directory + "/log").c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
    EXPECT_TRUE(exec->log.valid());
    sandbox_->SendStart(*exec);
    return exec;
  }
  static std::string Joined(const std::vector<Record>& records) {
    std::string all;
    uint64_t sequence = 0;
    for (const Record& record : records) {
      EXPECT_EQ(record.sequence, ++sequence);
      EXPECT_EQ(record.bytes_before, all.size());
      all += record.data;
    }
    return all;
  }
  static std::string Numbers(int last) {
    std::string all;
    for (int i = 1; i <= last; ++i) all += std::to_string(i) + "\n";
    return all;
  }
  InitRig rig_;
  std::unique_ptr<TestSandbox> sandbox_ = rig_.Ready();
};

TEST_F(OutputLogTest, TheLogHasEveryByteAlthoughTheRingMovedOn) {
  auto exec = Start("echo first >&2; seq 1 300000", 1 << 30, sandbox_->directory);
  ExecEnd end = sandbox_->AwaitEnd(exec.get());
  std::vector<Record> records = exec->LogRecords();
  EXPECT_TRUE(Joined(records) == "first\n" + Numbers(300000));
  EXPECT_EQ(records.front().stream, OutputStream::kStderr);
  EXPECT_EQ(end.log_last_sequence, end.frame_count);
  EXPECT_EQ(end.log_error, 0);
  EXPECT_EQ(end.bytes_dropped[0] + end.bytes_dropped[1], 0u);
  struct stat status {};
  ASSERT_EQ(fstat(exec->log.get(), &status), 0);
  EXPECT_EQ(end.log_bytes, static_cast<uint64_t>(status.st_size));
  EXPECT_GT(exec->RingRecords(0).front().sequence, exec->HeadRecords().back().sequence + 1);
}

TEST_F(OutputLogTest, TheLimitEndsTheLogAndNotTheCommand) {
  auto exec = Start("seq 1 300000", 100'000, sandbox_->directory);
  ExecEnd end = sandbox_->AwaitEnd(exec.get());
  std::string logged = Joined(exec->LogRecords());
  EXPECT_EQ(end.exit_code, 0);
  EXPECT_EQ(end.log_error, EFBIG);
  EXPECT_LE(end.log_bytes, 100'000u);
  EXPECT_GT(end.log_bytes, 20'000u);
  EXPECT_EQ(end.log_last_sequence, exec->LogRecords().back().sequence);
  std::string all = Numbers(300000);
  EXPECT_EQ(logged, all.substr(0, logged.size()));
  // Dropped is what is neither in the log nor in the ring.
  uint64_t ring_from = exec->RingRecords(0).front().bytes_before;
  EXPECT_EQ(end.bytes_dropped[0], ring_from - logged.size());
}

TEST_F(OutputLogTest, AFullDiskEndsTheLogAndNotTheCommand) {
  std::string directory = rig_.base() + "/small";
  ASSERT_EQ(mkdir(directory.c_str(), 0700), 0);
  ASSERT_EQ(mount("tmpfs", directory.c_str(), "tmpfs", 0, "size=256k"), 0);
  auto exec = Start("seq 1 300000", 1 << 30, directory);
  ExecEnd end = sandbox_->AwaitEnd(exec.get());
  std::string logged = Joined(exec->LogRecords());  // only whole records
  EXPECT_EQ(end.exit_code, 0);
  EXPECT_EQ(end.log_error, ENOSPC);
  EXPECT_GT(logged.size(), 100'000u);
  EXPECT_EQ(logged, Numbers(300000).substr(0, logged.size()));
  exec.reset();
  EXPECT_EQ(umount2(directory.c_str(), MNT_DETACH), 0);
}

TEST_F(OutputLogTest, TheLogGoesOnWhileNoDaemonRuns) {
  auto exec = Start("sleep 0.2; seq 1 300000", 1 << 30, sandbox_->directory);
  sandbox_->NextOf(FrameKind::kStarted);
  sandbox_->Disconnect();
  for (int i = 0; i < 10'000 && exec->header().ended.load() == 0; ++i) usleep(1000);
  sandbox_->Connect();
  ExecEnd end = sandbox_->AwaitEnd(exec.get());
  EXPECT_TRUE(Joined(exec->LogRecords()) == Numbers(300000));
  EXPECT_EQ(end.log_error, 0);
}

}  // namespace
}  // namespace glovebox
