// A new daemon takes over execs: which memory it trusts, and what readers then see.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <iterator>
#include <memory>
#include <string>
#include <vector>

#include "base/flat_bytes.h"
#include "base/status.h"
#include "exec/exec.h"
#include "exec/exec_archiver.h"
#include "linux/file_io.h"
#include "linux/memfd.h"
#include "tests/support/temporary_directory.h"
#include "tests/unit/exec/written_region.h"

namespace glovebox {
namespace {

ExecSpec Spec(OutputPolicy policy = OutputPolicy::kDropOldest) {
  ExecSpec spec;
  spec.arguments = {"seq", "3"};
  spec.head_bytes = 4096;
  spec.ring_bytes = 256 * 1024;
  spec.stderr_ring_bytes = 256 * 1024;
  spec.output_policy = policy;
  return spec;
}

std::string ReasonOf(const absl::Status& status) {
  const auto detail = GetErrorDetail(status);
  return detail.has_value() ? detail->reason : status.ToString();
}

std::string RefusalOf(UniqueFd memfd) {
  return ReasonOf(OutputRegion::Adopt(std::move(memfd)).status());
}

template <typename Body>
InitFrame Frame(FrameKind kind, const Body& body) {
  return {kind, 1, std::string(BytesOf(body)), UniqueFd()};
}

// Memory like a region's, for tests that spoil it.
UniqueFd Memory(uint64_t size, int seals, unsigned flags = MFD_CLOEXEC | MFD_ALLOW_SEALING) {
  UniqueFd fd(::memfd_create("test", flags));
  EXPECT_TRUE(fd.valid());
  EXPECT_EQ(::ftruncate(fd.get(), static_cast<off_t>(size)), 0);
  if (seals != 0) {
    EXPECT_EQ(::fcntl(fd.get(), F_ADD_SEALS, seals), 0);
  }
  return fd;
}

constexpr int kAllSeals = F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW;

TEST(AdoptRegionTest, ARegionOfOursIsTakenWithItsRecordAndOutput) {
  WrittenRegion before(Spec(), "the-id");
  before.Write("hello");
  auto adopted = OutputRegion::Adopt(before.Duplicate());
  ASSERT_TRUE(adopted.ok()) << adopted.status();
  const auto record = DecodeExecRecord(adopted->record());
  ASSERT_TRUE(record.ok()) << record.status();
  EXPECT_EQ(record->exec_id, "the-id");
  EXPECT_EQ(record->spec, Spec());
  OutputRegion::Cursor cursor;
  std::string data;
  EXPECT_EQ(adopted->Next(&cursor, &data).kind, OutputRecord::Kind::kData);
  EXPECT_EQ(data, "hello");
}

TEST(AdoptRegionTest, WhatIsNotSealedMemoryIsRefused) {
  TemporaryDirectory directory;
  EXPECT_EQ(RefusalOf(*OpenAt(AT_FDCWD, directory.Join("file"), O_RDWR | O_CREAT, 0600)),
            "REGION_REFUSED");
  EXPECT_EQ(RefusalOf(*OpenAt(AT_FDCWD, "/dev/zero", O_RDWR)), "REGION_REFUSED");
  EXPECT_EQ(RefusalOf(UniqueFd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0))),
            "REGION_REFUSED");
  EXPECT_EQ(RefusalOf(Memory(1 << 20, 0)), "REGION_REFUSED");
  EXPECT_EQ(RefusalOf(Memory(1 << 20, F_SEAL_SHRINK)), "REGION_REFUSED");
  EXPECT_EQ(RefusalOf(Memory(1 << 20, F_SEAL_SHRINK | F_SEAL_GROW)), "REGION_REFUSED");
}

TEST(AdoptRegionTest, MemoryOfAWrongSizeOrModeIsRefused) {
  EXPECT_EQ(RefusalOf(Memory(0, kAllSeals)), "REGION_REFUSED");
  EXPECT_EQ(RefusalOf(Memory(4095, kAllSeals)), "REGION_REFUSED");
  EXPECT_EQ(RefusalOf(Memory(1ull << 40, kAllSeals)), "REGION_REFUSED");
  EXPECT_EQ(RefusalOf(Memory(1 << 20, kAllSeals)), "REGION_REFUSED") << "no header in it";
  EXPECT_EQ(RefusalOf(Memory(1 << 20, kAllSeals | F_SEAL_WRITE)), "REGION_REFUSED");
  const UniqueFd region = Memory(1 << 20, kAllSeals);
  const std::string path = "/proc/self/fd/" + std::to_string(region.get());
  EXPECT_EQ(RefusalOf(*OpenAt(AT_FDCWD, path, O_RDONLY)), "REGION_REFUSED");
}

TEST(AdoptRegionTest, HugePagesAreRefused) {
  UniqueFd fd(::memfd_create("huge", MFD_CLOEXEC | MFD_ALLOW_SEALING | MFD_HUGETLB));
  if (!fd.valid()) {
    // A kernel may be built without huge pages; then a hostile init has none to pass either.
    EXPECT_TRUE(errno == ENOSYS || errno == EINVAL) << std::strerror(errno);
    return;
  }
  ASSERT_EQ(::ftruncate(fd.get(), 4 << 20), 0);
  ASSERT_EQ(::fcntl(fd.get(), F_ADD_SEALS, kAllSeals), 0);
  EXPECT_EQ(RefusalOf(std::move(fd)), "REGION_REFUSED");
}

TEST(AdoptRegionTest, AGarbledHeaderIsRefusedOrReadWithinTheMemory) {
  WrittenRegion region(Spec());
  region.Write("some output");
  auto mapping = SharedMapping::Map(region.region->fd(), 4096);
  ASSERT_TRUE(mapping.ok());
  auto* words = reinterpret_cast<uint64_t*>(mapping->data());
  constexpr uint64_t kValues[] = {
      0, 1, 7, 8, 4096, 1 << 20, 1u << 31, 1ull << 32, 1ull << 62, ~uint64_t{0} - 7, ~uint64_t{0}};
  int refused = 0;
  for (size_t i = 0; i < sizeof(RegionHeader) / 8; ++i) {
    const uint64_t before = words[i];
    for (const uint64_t value : kValues) {
      words[i] = value;
      auto adopted = OutputRegion::Adopt(region.Duplicate());
      if (!adopted.ok()) {
        EXPECT_EQ(ReasonOf(adopted.status()), "REGION_REFUSED");
        ++refused;
        continue;
      }
      (void)DecodeExecRecord(adopted->record());  // may be anything
      OutputRegion::Cursor cursor;
      std::string data;
      for (int reads = 0; reads < 100; ++reads) {
        const auto kind = adopted->Next(&cursor, &data).kind;
        if (kind == OutputRecord::Kind::kNone || kind == OutputRecord::Kind::kCorrupt) break;
      }
    }
    words[i] = before;
  }
  EXPECT_GT(refused, 50);
}

TEST(AdoptExecTest, MemoryOfAnotherSizeThanRecordedIsRefused) {
  ExecSpec larger = Spec();
  larger.ring_bytes *= 2;
  WrittenRegion region(larger);
  auto exec =
      Exec::Adopt(1, ExecRecord{"x", Spec()}, *OutputRegion::Adopt(region.Duplicate()), nullptr);
  EXPECT_EQ(ReasonOf(exec.status()), "REGION_REFUSED");
}

TEST(AdoptExecTest, StdinGoesOnWhereInitSays) {
  ExecSpec spec = Spec();
  spec.stdin_open = true;
  WrittenRegion region(spec);
  auto exec =
      Exec::Adopt(1, ExecRecord{"x", spec}, *OutputRegion::Adopt(region.Duplicate()), nullptr);
  ASSERT_TRUE(exec.ok()) << exec.status();
  (*exec)->OnFrame(Frame(FrameKind::kStarted, StartedBody{12, 0, 5}), ExecLimitValues());
  (*exec)->OnFrame(Frame(FrameKind::kStdinAck, StdinAckBody{1000, 400, 0, 0}), ExecLimitValues());
  EXPECT_EQ((*exec)->Snapshot().stdin_accepted, 1000u);
  EXPECT_EQ((*exec)->Snapshot().stdin_written, 400u);
  EXPECT_EQ(*(*exec)->WriteStdin(900, std::string(100, 'x'), false), 1000u) << "repeated";
  EXPECT_EQ(ReasonOf((*exec)->WriteStdin(1001, "x", false).status()), "STDIN_GAP");
  // What it says later is never more than was sent, hostile numbers included.
  (*exec)->OnFrame(Frame(FrameKind::kStdinAck, StdinAckBody{~0ull, ~0ull, 1, 0}),
                   ExecLimitValues());
  EXPECT_EQ((*exec)->Snapshot().stdin_accepted, 1000u);
  EXPECT_EQ((*exec)->Snapshot().stdin_written, 1000u);
}

TEST(AdoptExecTest, HostileStdinCountsAreBounded) {
  ExecSpec spec = Spec();
  spec.stdin_open = true;
  WrittenRegion region(spec);
  auto exec =
      Exec::Adopt(1, ExecRecord{"x", spec}, *OutputRegion::Adopt(region.Duplicate()), nullptr);
  ASSERT_TRUE(exec.ok());
  (*exec)->OnFrame(Frame(FrameKind::kStdinAck, StdinAckBody{~0ull, 3, 0, 0}), ExecLimitValues());
  EXPECT_EQ((*exec)->Snapshot().stdin_accepted, 3 + kStdinWindow);
}

// --- readers over the move to an archive ---

class MovedOutputTest : public ::testing::Test {
 protected:
  void SetUp() override {
    auto directory = OpenAt(AT_FDCWD, temporary_.path(), O_RDONLY | O_DIRECTORY);
    ASSERT_TRUE(directory.ok());
    ArchiveLimits limits;
    limits.unsaved_max = 2;
    store_ = *ExecArchiveStore::Open(*std::move(directory), limits);
  }
  struct Made {
    std::unique_ptr<WrittenRegion> region;
    std::shared_ptr<Exec> exec;
  };
  Made Make(uint32_t number) {
    Made made;
    made.region = std::make_unique<WrittenRegion>(Spec());
    auto region = OutputRegion::Adopt(made.region->Duplicate());
    made.exec = *Exec::Adopt(number, ExecRecord{"x", Spec()}, *std::move(region), nullptr);
    made.exec->OnFrame(Frame(FrameKind::kStarted, StartedBody{12, 0, 1}), ExecLimitValues());
    return made;
  }
  // Lines on both streams, with a gap in the middle.
  static void WriteMuch(WrittenRegion* region) {
    for (int i = 0; i < 60'000; ++i) {
      region->Write("line " + std::to_string(i) + "\n",
                    i % 4 == 0 ? OutputStream::kStderr : OutputStream::kStdout);
    }
  }
  static void End(Made* made) {
    made->exec->OnFrame(Frame(FrameKind::kEnd, made->region->End()), ExecLimitValues());
  }
  // Every frame as text, END included.
  static std::string Next(OutputReader* reader) {
    auto frame = reader->Next();
    EXPECT_TRUE(frame.ok()) << frame.status();
    if (!frame.ok() || !frame->has_value()) return "";
    const OutputFrame& f = **frame;
    return std::to_string(static_cast<int>(f.kind)) + " " + std::to_string(f.sequence) + "-" +
           std::to_string(f.sequence_to) + " " + std::to_string(f.gap_bytes) + " @" +
           std::to_string(f.monotonic_ns) + " " + std::to_string(static_cast<int>(f.stream)) + " " +
           f.data + (f.result.has_value() ? DescribeResult(*f.result) : "");
  }
  static std::vector<std::string> ReadAll(const std::shared_ptr<Exec>& exec, uint64_t from = 0) {
    OutputReader reader(exec, from, OutputReader::NeverWaitedFor());
    std::vector<std::string> all;
    for (std::string frame = Next(&reader); !frame.empty(); frame = Next(&reader)) {
      all.push_back(frame);
    }
    return all;
  }

  TemporaryDirectory temporary_;
  std::shared_ptr<ExecArchiveStore> store_;
};

TEST_F(MovedOutputTest, ReadersInTheMiddleSeeEveryFrameOnceAndTheSame) {
  Made made = Make(1);
  WriteMuch(made.region.get());
  End(&made);
  const std::vector<std::string> expected = ReadAll(made.exec);
  ASSERT_GT(expected.size(), 1000u);
  std::vector<std::unique_ptr<OutputReader>> readers;
  std::vector<std::vector<std::string>> seen;
  for (size_t done = 0; done < expected.size(); done += expected.size() / 10) {
    readers.push_back(std::make_unique<OutputReader>(made.exec, 0, OutputReader::NeverWaitedFor()));
    seen.emplace_back();
    for (size_t i = 0; i < done; ++i) seen.back().push_back(Next(readers.back().get()));
  }
  ASSERT_TRUE(made.exec->SaveOutput(store_).ok());
  for (size_t i = 0; i < readers.size(); ++i) {
    for (std::string f = Next(readers[i].get()); !f.empty(); f = Next(readers[i].get())) {
      seen[i].push_back(f);
    }
    EXPECT_EQ(seen[i], expected) << "reader " << i;
  }
}

TEST_F(MovedOutputTest, ACursorMeansTheSameBeforeAndAfter) {
  Made made = Make(1);
  WriteMuch(made.region.get());
  End(&made);
  std::vector<std::vector<std::string>> before;
  const std::vector<uint64_t> cursors = {0, 1, 2, 50, 30'000, 59'990, 60'000, 60'001, 1ull << 40};
  for (uint64_t from : cursors) before.push_back(ReadAll(made.exec, from));
  ASSERT_TRUE(made.exec->SaveOutput(store_).ok());
  for (size_t i = 0; i < cursors.size(); ++i) {
    EXPECT_EQ(ReadAll(made.exec, cursors[i]), before[i]) << "from " << cursors[i];
  }
}

TEST_F(MovedOutputTest, ARestoredExecReadsLikeTheOriginal) {
  Made made = Make(9);
  WriteMuch(made.region.get());
  End(&made);
  const std::vector<std::string> expected = ReadAll(made.exec);
  ASSERT_TRUE(made.exec->SaveOutput(store_).ok());
  const auto outcome = DecodeExecOutcome(EncodeExecOutcome(*made.exec->outcome()));
  ASSERT_TRUE(outcome.ok());
  const auto restored = Exec::Restore(9, ExecRecord{"x", Spec()}, *outcome, store_);
  EXPECT_EQ(ReadAll(restored), expected);
  EXPECT_EQ(restored->Snapshot().state, ExecSnapshot::State::kEnded);
}

TEST_F(MovedOutputTest, SavingGivesTheMemoryBackAlthoughAReaderIsAttached) {
  Made made = Make(1);
  made.region->Write("x");
  End(&made);
  OutputReader reader(made.exec, 0, OutputReader::NeverWaitedFor());
  const auto mapped = [] {
    const auto maps = ReadFileAt(AT_FDCWD, "/proc/self/maps", 1 << 22);
    size_t count = 0;
    for (size_t at = 0; (at = maps->find("glovebox-exec", at)) != std::string::npos; ++at) ++count;
    return count;
  };
  const size_t before = mapped();
  ASSERT_TRUE(made.exec->SaveOutput(store_).ok());
  EXPECT_EQ(mapped(), before - 1);
}

TEST_F(MovedOutputTest, AReaderFinishesAlthoughTheArchiveIsRemoved) {
  Made made = Make(1);
  WriteMuch(made.region.get());
  End(&made);
  const std::vector<std::string> expected = ReadAll(made.exec);
  OutputReader reader(made.exec, 0, OutputReader::NeverWaitedFor());
  std::vector<std::string> seen = {Next(&reader)};
  ASSERT_TRUE(made.exec->SaveOutput(store_).ok());
  store_->Remove(1);
  for (std::string f = Next(&reader); !f.empty(); f = Next(&reader)) seen.push_back(f);
  EXPECT_EQ(seen, expected);
}

TEST_F(MovedOutputTest, OutputThatIsGoneIsOneGapOfAllItsBytes) {
  Made made = Make(1);
  for (int i = 0; i < 10; ++i) made.region->Write("12345");
  End(&made);
  ASSERT_TRUE(made.exec->SaveOutput(store_).ok());
  store_->Remove(1);
  OutputReader reader(made.exec, 0, OutputReader::NeverWaitedFor());
  ASSERT_EQ((*reader.Next())->kind, OutputFrame::Kind::kStarted);
  const auto gap = **reader.Next();
  EXPECT_EQ(gap.kind, OutputFrame::Kind::kGap);
  EXPECT_EQ(gap.sequence, 1u);
  EXPECT_EQ(gap.sequence_to, 10u);
  EXPECT_EQ(gap.gap_bytes, 50u);
  const auto end = **reader.Next();
  EXPECT_EQ(end.kind, OutputFrame::Kind::kEnd);
  EXPECT_EQ(end.sequence, 11u);
  EXPECT_FALSE((*reader.Next()).has_value());
}

TEST_F(MovedOutputTest, WhatCannotBeSavedStaysInMemoryForTheLatestFew) {
  std::vector<Made> made;
  for (uint32_t i = 1; i <= 4; ++i) {
    made.push_back(Make(i));
    made.back().region->Write("output");
    End(&made.back());
  }
  ASSERT_EQ(::rmdir(temporary_.path().c_str()), 0);  // no file can be made there any more
  int told = 0;
  ArchiveHealth health([&told](const absl::Status& now) { told += now.ok() ? 0 : 1; });
  ExecArchiver archiver(store_, &health);
  for (const Made& one : made) EXPECT_FALSE(archiver.Save(one.exec).ok());
  EXPECT_EQ(told, 1);
  for (int i = 0; i < 2; ++i) {
    EXPECT_EQ(made[i].exec->outcome()->result.output_lost_error, ENOENT);
    EXPECT_TRUE(archiver.Save(made[i].exec).ok()) << "there is nothing to save any more";
  }
  EXPECT_EQ(made[2].exec->outcome()->result.output_lost_error, 0);
  EXPECT_FALSE(archiver.Save(made[2].exec).ok());
  EXPECT_EQ(ReadAll(made[0].exec)[1].substr(0, 1), "2") << "a gap";
  EXPECT_EQ(ReadAll(made[1].exec)[1].substr(0, 1), "2");
  EXPECT_EQ(ReadAll(made[2].exec)[1].substr(0, 1), "1") << "data";
  EXPECT_EQ(ReadAll(made[3].exec)[1].substr(0, 1), "1");
  EXPECT_EQ(made[0].exec->outcome()->result.exit_code, 0);
}

TEST_F(MovedOutputTest, AfterCloseNothingIsWritten) {
  Made made[] = {Make(1), Make(2)};
  for (Made& one : made) {
    one.region->Write("output");
    End(&one);
  }
  ExecArchiver archiver(store_, nullptr);
  EXPECT_TRUE(archiver.Save(made[0].exec).ok());
  const auto files = [&] {
    return std::distance(std::filesystem::directory_iterator(temporary_.path()), {});
  };
  const auto before = files();
  archiver.Close();
  EXPECT_TRUE(absl::IsCancelled(archiver.Save(made[1].exec)));
  EXPECT_EQ(files(), before);
}

TEST_F(MovedOutputTest, OutputOfARunningExecIsNotSaved) {
  const Made made = Make(1);
  EXPECT_TRUE(absl::IsFailedPrecondition(made.exec->SaveOutput(store_)));
  EXPECT_FALSE(made.exec->outcome().has_value());
}

}  // namespace
}  // namespace glovebox
