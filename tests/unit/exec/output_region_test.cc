// The two sides of the exec region against each other: init's writer and the daemon's reader.
#include "exec/output_region.h"

#include <gtest/gtest.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include <cstring>
#include <string>
#include <thread>
#include <vector>

#include "init/region_writer.h"

namespace glovebox {
namespace {

using Kind = OutputRegion::Record::Kind;

ExecSpec Spec(uint64_t head_bytes, uint64_t ring_bytes) {
  ExecSpec spec;
  spec.arguments = {"true"};
  spec.head_bytes = head_bytes;
  spec.ring_bytes = ring_bytes;
  spec.stderr_ring_bytes = 64 * 1024;
  return spec;
}

OutputStream StreamOf(int i) { return i % 3 == 0 ? OutputStream::kStderr : OutputStream::kStdout; }

class RegionTest : public ::testing::Test {
 protected:
  void Make(uint64_t head_bytes, uint64_t ring_bytes,
            OutputPolicy policy = OutputPolicy::kDropOldest) {
    ExecSpec spec = Spec(head_bytes, ring_bytes);
    spec.output_policy = policy;
    auto region = OutputRegion::Create(spec);
    ASSERT_TRUE(region.ok()) << region.status();
    region_.emplace(*std::move(region));
    ASSERT_EQ(writer_.Map(region_->fd()), 0);
  }
  void TearDown() override {
    if (writer_.mapped()) writer_.Unmap();
  }
  void Write(const std::string& text, OutputStream stream = OutputStream::kStdout) {
    // A text that does not fit before the end of the ring becomes two records.
    for (size_t done = 0; done < text.size(); ++records_) {
      const auto rest = static_cast<uint32_t>(text.size() - done);
      const RegionWriter::Space space = writer_.Reserve(stream, rest, false);
      ASSERT_GT(space.size, 0u);
      const uint32_t size = std::min(rest, space.size);
      std::memcpy(space.data, text.data() + done, size);
      writer_.Commit(stream, size, 1);
      done += size;
    }
  }

  std::optional<OutputRegion> region_;
  RegionWriter writer_;
  uint64_t records_ = 0;
};

TEST_F(RegionTest, RecordsOfBothStreamsComeInOneSequence) {
  Make(4096, 256 * 1024);
  Write("one", OutputStream::kStdout);
  Write("two", OutputStream::kStderr);
  OutputRegion::Cursor cursor;
  std::string data;
  OutputRegion::Record record = region_->Next(&cursor, &data);
  EXPECT_EQ(record.kind, Kind::kData);
  EXPECT_EQ(record.sequence, 1u);
  EXPECT_EQ(record.stream, OutputStream::kStdout);
  EXPECT_EQ(data, "one");
  data.clear();
  record = region_->Next(&cursor, &data);
  EXPECT_EQ(record.sequence, 2u);
  EXPECT_EQ(record.stream, OutputStream::kStderr);
  EXPECT_EQ(data, "two");
  EXPECT_EQ(region_->Next(&cursor, &data).kind, Kind::kNone);
}

TEST_F(RegionTest, HeadAndTailStayAndTheGapCountsItsBytes) {
  Make(4096, 256 * 1024);
  const std::string block(1000, 'x');
  constexpr int kBlocks = 1000;
  for (int i = 0; i < kBlocks; ++i) Write(block);
  OutputRegion::Cursor cursor;
  std::string data;
  uint64_t gap_bytes = 0;
  uint64_t last = 0;
  int gaps = 0;
  for (;;) {
    const OutputRegion::Record record = region_->Next(&cursor, &data);
    if (record.kind == Kind::kNone) break;
    ASSERT_NE(record.kind, Kind::kCorrupt);
    if (record.kind == Kind::kGap) {
      ++gaps;
      gap_bytes += record.gap_bytes;
      EXPECT_EQ(record.sequence, last + 1);
      last = record.sequence_to;
    } else {
      EXPECT_EQ(record.sequence, last + 1);
      last = record.sequence;
    }
  }
  EXPECT_EQ(gaps, 1);
  EXPECT_EQ(last, records_);
  EXPECT_EQ(data.size() + gap_bytes, kBlocks * block.size());
  EXPECT_GE(data.size(), 200u * 1024);
}

TEST_F(RegionTest, AReaderThatSeeksStandsAtTheWantedRecord) {
  Make(4096, 256 * 1024);
  for (int i = 1; i <= 20; ++i) Write(std::string(500, static_cast<char>('a' + i)));
  OutputRegion::Cursor cursor;
  region_->Seek(&cursor, 15);
  std::string data;
  const OutputRegion::Record record = region_->Next(&cursor, &data);
  EXPECT_EQ(record.kind, Kind::kData);
  EXPECT_EQ(record.sequence, 15u);
  EXPECT_EQ(data[0], static_cast<char>('a' + 15));
}

TEST_F(RegionTest, BackPressureHoldsTheWriterUntilTheGateMoves) {
  Make(0, 256 * 1024, OutputPolicy::kBackPressure);
  EXPECT_FALSE(writer_.gate_armed());
  EXPECT_FALSE(region_->MoveGate(0));
  EXPECT_TRUE(writer_.gate_armed());
  const auto fill = [&] {
    uint64_t written = 0;
    for (;;) {
      const RegionWriter::Space space = writer_.Reserve(OutputStream::kStdout, 60'000, true);
      if (space.size == 0) return written;
      std::memset(space.data, 'y', space.size);
      writer_.Commit(OutputStream::kStdout, space.size, 1);
      written += space.size;
    }
  };
  const uint64_t written = fill();
  EXPECT_GT(written, 200'000u);
  EXPECT_LT(written, 256u * 1024);
  writer_.SetWriterWaiting(true);
  OutputRegion::Cursor cursor;
  std::string data;
  while (region_->Next(&cursor, &data).kind == Kind::kData) {
  }
  EXPECT_EQ(data.size(), written);
  // Half of the ring stays, for a client that comes back for what was lost on its way.
  EXPECT_TRUE(region_->MoveGate(1));
  EXPECT_EQ(fill(), 0u);
  EXPECT_TRUE(region_->MoveGate(cursor.next_sequence - 1));
  const uint64_t more = fill();
  EXPECT_GT(more, 60'000u);
  EXPECT_LT(more, 128u * 1024);
  EXPECT_TRUE(region_->OpenGate());
  EXPECT_FALSE(writer_.gate_armed());
}

TEST_F(RegionTest, AFloodOnStdoutPushesOutNothingOfStderr) {
  Make(0, 64 * 1024);
  const std::string block(1000, 'x');
  for (int i = 0; i < 300; ++i) {
    Write(block);
    if (i % 100 == 50) Write("error", OutputStream::kStderr);
  }
  OutputRegion::Cursor cursor;
  std::string errors;
  uint64_t seen = 0, last = 0;
  for (;;) {
    std::string data;
    const OutputRegion::Record record = region_->Next(&cursor, &data);
    if (record.kind == Kind::kNone) break;
    ASSERT_NE(record.kind, Kind::kCorrupt);
    EXPECT_EQ(record.sequence, last + 1);
    last = std::max(record.sequence, record.sequence_to);
    seen += data.size() + record.gap_bytes;
    if (record.stream == OutputStream::kStderr) errors += data;
  }
  EXPECT_EQ(errors, "errorerrorerror");
  EXPECT_EQ(seen, 300u * 1000 + 15);
  EXPECT_EQ(last, records_);
}

TEST_F(RegionTest, ATerminalTakesNoRoomForASecondStream) {
  ExecSpec spec = Spec(0, 64 * 1024);
  const auto size = [&spec] {
    auto region = OutputRegion::Create(spec);
    EXPECT_TRUE(region.ok()) << region.status();
    struct stat status {};
    EXPECT_EQ(::fstat(region->fd(), &status), 0);
    return static_cast<uint64_t>(status.st_size);
  };
  const uint64_t pipes = size();
  spec.terminal.emplace();
  EXPECT_EQ(size() + spec.stderr_ring_bytes, pipes);
}

TEST_F(RegionTest, ArmingTellsWhetherSomethingCameMeanwhile) {
  Make(4096, 256 * 1024);
  OutputRegion::Cursor cursor;
  EXPECT_FALSE(region_->ArmWakeUp(cursor));
  EXPECT_TRUE(writer_.TakeReaderWaiting());
  EXPECT_FALSE(writer_.TakeReaderWaiting());
  Write("late");
  EXPECT_TRUE(region_->ArmWakeUp(cursor));
}

TEST_F(RegionTest, AFastWriterNeverMakesAReaderTakeTornRecords) {
  Make(4096, 256 * 1024);
  constexpr int kRecords = 50'000;
  std::thread writing([&] {
    for (int i = 0; i < kRecords; ++i) {
      const size_t size = 1 + static_cast<size_t>(i * 7919 % 3000);
      const RegionWriter::Space space =
          writer_.Reserve(StreamOf(i), static_cast<uint32_t>(size), false);
      const uint32_t used = static_cast<uint32_t>(std::min<size_t>(size, space.size));
      std::memset(space.data, 'a' + i % 26, used);
      writer_.Commit(StreamOf(i), used, 1);
    }
  });
  OutputRegion::Cursor cursor;
  uint64_t last = 0;
  while (last < kRecords) {
    std::string data;
    const OutputRegion::Record record = region_->Next(&cursor, &data);
    if (record.kind == Kind::kNone) continue;
    ASSERT_NE(record.kind, Kind::kCorrupt);
    if (record.kind == Kind::kGap) {
      last = record.sequence_to;
      continue;
    }
    ASSERT_EQ(record.sequence, last + 1);
    last = record.sequence;
    const char expected = static_cast<char>('a' + (last - 1) % 26);
    ASSERT_EQ(data.find_first_not_of(expected), std::string::npos) << "record " << last;
  }
  writing.join();
}

// What a hostile init could write.
class HostileRegionTest : public RegionTest {
 protected:
  void SetUp() override {
    Make(4096, 256 * 1024);
    memory_ = ::mmap(nullptr, 4096 * 80, PROT_READ | PROT_WRITE, MAP_SHARED, region_->fd(), 0);
    ASSERT_NE(memory_, MAP_FAILED);
  }
  void TearDown() override {
    (void)::munmap(memory_, 4096 * 80);  // mapped in SetUp
    RegionTest::TearDown();
  }
  RegionHeader* header() { return static_cast<RegionHeader*>(memory_); }
  Kind NextKind() {
    std::string data;
    return region_->Next(&cursor_, &data).kind;
  }
  void* memory_ = nullptr;
  OutputRegion::Cursor cursor_;
};

TEST_F(HostileRegionTest, AHeadLongerThanItIsIsCorrupt) {
  header()->head_used = 1ull << 40;
  EXPECT_EQ(NextKind(), Kind::kCorrupt);
}

TEST_F(HostileRegionTest, ARecordLargerThanTheHeadIsCorrupt) {
  Write("x");
  auto* record = reinterpret_cast<RecordHeader*>(static_cast<char*>(memory_) +
                                                 static_cast<size_t>(header()->head_offset));
  record->size = 0xffffffffu;
  EXPECT_EQ(NextKind(), Kind::kCorrupt);
}

TEST_F(HostileRegionTest, ASequenceThatGoesBackIsCorrupt) {
  Write("x");
  auto* record = reinterpret_cast<RecordHeader*>(static_cast<char*>(memory_) +
                                                 static_cast<size_t>(header()->head_offset));
  record->sequence = 0;
  EXPECT_EQ(NextKind(), Kind::kCorrupt);
}

TEST_F(HostileRegionTest, ARingThatIsNeverConsistentEndsTheReader) {
  header()->head_closed = 1;
  header()->ring[1].tail = 100;
  header()->ring[1].head = 50;
  EXPECT_EQ(NextKind(), Kind::kCorrupt);
}

TEST_F(HostileRegionTest, OffsetsInTheHeaderAreNotBelieved) {
  Write("safe");
  header()->head_offset = 1ull << 50;
  header()->rings[0].size = 0;
  std::string data;
  EXPECT_EQ(region_->Next(&cursor_, &data).kind, Kind::kData);
  EXPECT_EQ(data, "safe");
}

}  // namespace
}  // namespace glovebox
