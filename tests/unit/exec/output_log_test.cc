// The two sides of a full log against each other: init's writer and the daemon's reader; and what a
// hostile init could write.
#include "exec/output_log.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cerrno>
#include <string>

#include "init/log_writer.h"
#include "linux/file_io.h"
#include "tests/support/temporary_directory.h"

namespace glovebox {
namespace {

class ExecOutputLogTest : public ::testing::Test {
 protected:
  void SetUp() override {
    auto disk = OpenAt(AT_FDCWD, directory_.path(), O_RDONLY | O_DIRECTORY);
    ASSERT_TRUE(disk.ok()) << disk.status();
    disk_ = *std::move(disk);
    auto file = OutputLog::Create(disk_.get(), 7);
    ASSERT_TRUE(file.ok()) << file.status();
    raw_fd_ = UniqueFd(::dup(file->get()));
    writer_.Begin(*std::move(file), 1 << 20);
    auto log = OutputLog::Open(disk_.get(), 7);
    ASSERT_TRUE(log.ok()) << log.status();
    log_ = *std::move(log);
  }
  void Write(const std::string& text, OutputStream stream = OutputStream::kStdout) {
    const RecordHeader record{static_cast<uint32_t>(text.size()), stream, ++sequence_, 1, bytes_};
    bytes_ += text.size();
    writer_.Append(record, text.data());
  }
  // A header in place of the next record, with `data` behind it.
  void WriteRaw(const RecordHeader& record, const std::string& data) {
    const auto offset = static_cast<off_t>(bytes_ + sequence_ * sizeof(RecordHeader));
    ASSERT_EQ(::pwrite(raw_fd_.get(), &record, sizeof record, offset),
              static_cast<ssize_t>(sizeof record));
    ASSERT_EQ(::pwrite(raw_fd_.get(), data.data(), data.size(),
                       offset + static_cast<off_t>(sizeof record)),
              static_cast<ssize_t>(data.size()));
  }
  OutputRecord::Kind TakeAll(std::string* data) {
    OutputPosition position;
    for (;;) {
      const OutputRecord record = log_->Take(&window_, &position, data);
      if (record.kind != OutputRecord::Kind::kData) return record.kind;
    }
  }

  TemporaryDirectory directory_;
  UniqueFd disk_, raw_fd_;
  LogWriter writer_;
  std::shared_ptr<const OutputLog> log_;
  OutputLog::Window window_;
  uint64_t sequence_ = 0, bytes_ = 0;
};

TEST_F(ExecOutputLogTest, EveryRecordIsFoundByItsPositionAndLocatedByItsSequence) {
  for (int i = 0; i < 1000; ++i) Write(std::string(static_cast<size_t>(i % 7) * 100, 'x'));
  Write("last", OutputStream::kStderr);
  std::string data;
  EXPECT_EQ(TakeAll(&data), OutputRecord::Kind::kNone);
  EXPECT_EQ(data.size(), bytes_);
  OutputPosition position{1001, 0};
  ASSERT_TRUE(log_->Locate(&window_, &position));
  EXPECT_EQ(position.bytes_seen, bytes_ - 4);
  data.clear();
  const OutputRecord record = log_->Take(&window_, &position, &data);
  EXPECT_EQ(record.sequence, 1001u);
  EXPECT_EQ(record.stream, OutputStream::kStderr);
  EXPECT_EQ(data, "last");
  position = {1002, 0};
  EXPECT_FALSE(log_->Locate(&window_, &position));
}

TEST_F(ExecOutputLogTest, APositionWithoutItsBytesFindsNothing) {
  Write("one");
  Write("two");
  OutputPosition position{2, 1};
  std::string data;
  EXPECT_EQ(log_->Take(&window_, &position, &data).kind, OutputRecord::Kind::kNone);
}

TEST_F(ExecOutputLogTest, TheLimitKeepsWholeRecords) {
  for (int i = 0; i < 40; ++i) Write(std::string(60'000, 'x'));
  ExecEnd end{};
  writer_.Finish(&end);
  EXPECT_EQ(end.log_error, EFBIG);
  std::string data;
  TakeAll(&data);
  EXPECT_EQ(data.size(), end.log_last_sequence * 60'000);
  EXPECT_EQ(end.log_bytes, end.log_last_sequence * (60'000 + sizeof(RecordHeader)));
}

TEST_F(ExecOutputLogTest, WhatIsNotTheNextRecordIsTheEnd) {
  Write("good");
  const RecordHeader good{4, OutputStream::kStdout, 2, 1, 4};
  RecordHeader bad = good;
  bad.size = 0xffffffff;
  RecordHeader other = good;
  other.sequence = 1;
  RecordHeader pad = good;
  pad.stream = OutputStream::kPad;
  RecordHeader lies = good;
  lies.bytes_before = ~uint64_t{0};
  RecordHeader longer = good;
  longer.size = 1000;  // more than the file has
  for (const RecordHeader& header : {bad, other, pad, lies, longer}) {
    WriteRaw(header, "data");
    window_ = {};
    std::string data;
    EXPECT_EQ(TakeAll(&data), OutputRecord::Kind::kNone);
    EXPECT_EQ(data, "good");
    OutputPosition position{3, 0};
    EXPECT_FALSE(log_->Locate(&window_, &position));
  }
  WriteRaw(good, "data");
  window_ = {};
  std::string data;
  TakeAll(&data);
  EXPECT_EQ(data, "gooddata");
}

TEST_F(ExecOutputLogTest, AFileThatShrankIsShort) {
  Write(std::string(1000, 'x'));
  Write("more");
  ASSERT_EQ(::ftruncate(raw_fd_.get(), 500), 0);
  std::string data;
  EXPECT_EQ(TakeAll(&data), OutputRecord::Kind::kNone);
  EXPECT_EQ(data, "");
}

TEST_F(ExecOutputLogTest, ARemovedLogIsGoneByNameAndRemovingItAgainIsFine) {
  EXPECT_TRUE(OutputLog::Remove(disk_.get(), 7).ok());
  EXPECT_TRUE(absl::IsNotFound(OutputLog::Open(disk_.get(), 7).status()));
  EXPECT_TRUE(OutputLog::Remove(disk_.get(), 7).ok());
}

}  // namespace
}  // namespace glovebox
