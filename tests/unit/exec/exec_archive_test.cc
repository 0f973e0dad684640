// The output of ended execs in files: read back like the region, whole or not at all, bounded.
#include "exec/exec_archive.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/resource.h>
#include <unistd.h>

#include <string>
#include <thread>
#include <tuple>
#include <vector>

#include "base/status.h"
#include "exec/archive_format.h"
#include "exec/exec_archive_store.h"
#include "linux/file_io.h"
#include "tests/support/temporary_directory.h"
#include "tests/unit/exec/written_region.h"

namespace glovebox {
namespace {

using Kind = OutputRecord::Kind;
// kind, stream, sequence, to, time, gap bytes, data
using Seen = std::tuple<int, int, uint64_t, uint64_t, int64_t, uint64_t, std::string>;

template <typename Source, typename Cursor>
std::vector<Seen> ReadAll(const Source& source, Cursor cursor) {
  std::vector<Seen> all;
  for (;;) {
    std::string data;
    const OutputRecord record = source.Next(&cursor, &data);
    if (record.kind == Kind::kNone) return all;
    all.emplace_back(static_cast<int>(record.kind), static_cast<int>(record.stream),
                     record.sequence, record.sequence_to, record.monotonic_ns, record.gap_bytes,
                     data);
    if (record.kind == Kind::kCorrupt) return all;
  }
}

ExecSpec Spec() {
  ExecSpec spec;
  spec.arguments = {"true"};
  spec.head_bytes = 4096;
  spec.ring_bytes = 256 * 1024;
  spec.stderr_ring_bytes = 256 * 1024;
  return spec;
}

class ExecArchiveTest : public ::testing::Test {
 protected:
  ExecArchiveTest() : region_(Spec()) {
    directory_ = *OpenAt(AT_FDCWD, temporary_.path(), O_RDONLY | O_DIRECTORY);
  }
  // More than the rings hold, on both streams, so that there are gaps.
  void WriteMuch() {
    for (int i = 0; i < 2000; ++i) {
      region_.Write(std::string(static_cast<size_t>(1 + i * 37 % 900), static_cast<char>(i)),
                    i % 3 == 0 ? OutputStream::kStderr : OutputStream::kStdout);
    }
    region_.End();
  }
  std::shared_ptr<const ExecArchive> Archive(uint64_t bytes_max = 1 << 30) {
    auto written = ExecArchive::Write(directory_.get(), 7, *region_.region, bytes_max);
    EXPECT_TRUE(written.ok()) << written.status();
    auto opened = ExecArchive::Open(directory_.get(), 7);
    EXPECT_TRUE(opened.ok()) << opened.status();
    return *opened;
  }
  std::string Path() const { return temporary_.Join("7"); }

  TemporaryDirectory temporary_;
  UniqueFd directory_;
  WrittenRegion region_;
};

TEST_F(ExecArchiveTest, ReadsBackExactlyWhatTheRegionKept) {
  WriteMuch();
  const auto archive = Archive();
  const std::vector<Seen> kept = ReadAll(*region_.region, OutputRegion::Cursor());
  EXPECT_GT(kept.size(), 100u);
  EXPECT_EQ(ReadAll(*archive, ExecArchive::Cursor()), kept);
}

TEST_F(ExecArchiveTest, GoesOnFromEveryPositionOfTheRegion) {
  WriteMuch();
  const auto archive = Archive();
  OutputRegion::Cursor cursor;
  for (int i = 0;; ++i) {
    if (i % 25 == 0) {
      ExecArchive::Cursor from;
      static_cast<OutputPosition&>(from) = cursor;
      ASSERT_EQ(ReadAll(*archive, from), ReadAll(*region_.region, cursor)) << "after " << i;
    }
    std::string data;
    if (region_.region->Next(&cursor, &data).kind == Kind::kNone) break;
  }
}

TEST_F(ExecArchiveTest, RecordsOfTheGreatestSizeComeBack) {
  ExecSpec spec = Spec();
  spec.ring_bytes = 2 * 1024 * 1024;
  WrittenRegion large(spec);
  for (int i = 0; i < 20; ++i) large.Write(std::string(kRecordDataMax, static_cast<char>('a' + i)));
  large.End();
  ASSERT_TRUE(ExecArchive::Write(directory_.get(), 1, *large.region, 1 << 30).ok());
  const auto archive = ExecArchive::Open(directory_.get(), 1);
  ASSERT_TRUE(archive.ok());
  EXPECT_EQ(ReadAll(**archive, ExecArchive::Cursor()),
            ReadAll(*large.region, OutputRegion::Cursor()));
}

TEST_F(ExecArchiveTest, BeyondTheLimitBeginningAndEndStayAndTheGapIsCounted) {
  WriteMuch();
  const std::vector<Seen> kept = ReadAll(*region_.region, OutputRegion::Cursor());
  const auto archive = Archive(64 * 1024);
  EXPECT_LT(archive->file_bytes(), 96u * 1024);
  const std::vector<Seen> less = ReadAll(*archive, ExecArchive::Cursor());
  EXPECT_EQ(less.front(), kept.front());
  EXPECT_EQ(less.back(), kept.back());
  uint64_t next = 1;
  uint64_t bytes = 0;
  for (const auto& [kind, stream, sequence, to, time, gap_bytes, data] : less) {
    EXPECT_EQ(sequence, next);
    next = kind == static_cast<int>(Kind::kGap) ? to + 1 : sequence + 1;
    bytes += gap_bytes + data.size();
  }
  EXPECT_EQ(bytes, region_.writer.bytes_total(0) + region_.writer.bytes_total(1));
}

TEST_F(ExecArchiveTest, ARegionThatBreaksItsRulesDoesSoInTheArchiveToo) {
  region_.Write("good");
  region_.End();
  auto mapping = SharedMapping::Map(region_.region->fd(), 8192);
  ASSERT_TRUE(mapping.ok());
  reinterpret_cast<RegionHeader*>(mapping->data())->head_used += 40;  // no record is there
  const std::vector<Seen> seen = ReadAll(*Archive(), ExecArchive::Cursor());
  ASSERT_EQ(seen.size(), 2u);
  EXPECT_EQ(std::get<6>(seen[0]), "good");
  EXPECT_EQ(std::get<0>(seen[1]), static_cast<int>(Kind::kCorrupt));
}

TEST_F(ExecArchiveTest, AnInitThatGoesOnWritingIsCutOff) {
  WriteMuch();
  std::jthread writing([this](const std::stop_token& stop) {
    while (!stop.stop_requested()) region_.Write(std::string(3000, 'x'));
  });
  EXPECT_LE(Archive()->file_bytes(), 2 * region_.region->bytes_max());
}

TEST_F(ExecArchiveTest, ATruncatedFileIsRefused) {
  WriteMuch();
  const uint64_t size = Archive()->file_bytes();
  for (uint64_t cut : {uint64_t{1}, uint64_t{31}, uint64_t{4096}, size - 20, size}) {
    ASSERT_EQ(::truncate(Path().c_str(), static_cast<off_t>(size - cut)), 0);
    const auto opened = ExecArchive::Open(directory_.get(), 7);
    ASSERT_FALSE(opened.ok()) << cut;
    EXPECT_EQ(GetErrorDetail(opened.status())->reason, "RECORD_INVALID");
    Archive();
  }
}

TEST_F(ExecArchiveTest, AHoleInTheFileEndsTheOutputBeforeIt) {
  WriteMuch();
  const std::vector<Seen> whole = ReadAll(*Archive(), ExecArchive::Cursor());
  const UniqueFd file = *OpenAt(directory_.get(), "7", O_RDWR);
  ASSERT_EQ(::pwrite(file.get(), std::string(4096, '\0').data(), 4096, 64 * 1024), 4096);
  const auto opened = ExecArchive::Open(directory_.get(), 7);
  ASSERT_TRUE(opened.ok());
  const std::vector<Seen> seen = ReadAll(**opened, ExecArchive::Cursor());
  EXPECT_GT(seen.size(), 10u);
  ASSERT_LT(seen.size(), whole.size());
  EXPECT_TRUE(std::equal(seen.begin(), seen.end(), whole.begin()));
}

TEST_F(ExecArchiveTest, WithoutRoomNothingIsLeft) {
  WriteMuch();
  // A full disk, told by the size limit of files: the write fails in the middle of one.
  const rlimit before = [] {
    rlimit now{};
    EXPECT_EQ(::getrlimit(RLIMIT_FSIZE, &now), 0);
    return now;
  }();
  ASSERT_NE(::signal(SIGXFSZ, SIG_IGN), SIG_ERR);
  const rlimit small{100'000, before.rlim_max};
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &small), 0);
  const auto written = ExecArchive::Write(directory_.get(), 7, *region_.region, 1 << 30);
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &before), 0);
  EXPECT_FALSE(written.ok());
  EXPECT_NE(::access(Path().c_str(), F_OK), 0);
  EXPECT_NE(::access(temporary_.Join(".half-7").c_str(), F_OK), 0);
}

class ExecArchiveStoreTest : public ExecArchiveTest {
 protected:
  std::shared_ptr<ExecArchiveStore> Open(const ArchiveLimits& limits) {
    auto directory = OpenAt(AT_FDCWD, temporary_.path(), O_RDONLY | O_DIRECTORY);
    auto store = ExecArchiveStore::Open(*std::move(directory), limits);
    EXPECT_TRUE(store.ok()) << store.status();
    return *store;
  }
  std::vector<uint32_t> Kept(const ExecArchiveStore& store) {
    std::vector<uint32_t> kept;
    for (uint32_t i = 1; i < 20; ++i) {
      if (store.Read(i).ok()) kept.push_back(i);
    }
    return kept;
  }
};

TEST_F(ExecArchiveStoreTest, TheOldestGoFirstBeyondTheNumber) {
  region_.Write("something");
  region_.End();
  ArchiveLimits limits;
  limits.execs_max = 3;
  const auto store = Open(limits);
  for (uint32_t i = 1; i <= 9; ++i) ASSERT_TRUE(store->Write(i, *region_.region).ok());
  EXPECT_EQ(Kept(*store), (std::vector<uint32_t>{7, 8, 9}));
}

TEST_F(ExecArchiveStoreTest, TheOldestGoFirstBeyondTheBytesAlsoAfterARestart) {
  WriteMuch();
  ArchiveLimits limits;
  limits.bytes_max = 1200 * 1024;
  for (uint32_t i = 1; i <= 9; ++i) {
    // Each by a daemon of its own.
    ASSERT_TRUE(Open(limits)->Write(i, *region_.region).ok());
  }
  const uint64_t each = (*Open(limits)->Read(9))->file_bytes();
  ASSERT_LT(each, limits.bytes_max / 2);
  const std::vector<uint32_t> kept = Kept(*Open(limits));
  EXPECT_EQ(kept.size(), limits.bytes_max / each);
  EXPECT_EQ(kept.back(), 9u);
}

TEST_F(ExecArchiveStoreTest, WhatACrashLeftHalfWrittenIsRemovedAndOthersStay) {
  region_.Write("x");
  region_.End();
  ASSERT_TRUE(Open({})->Write(3, *region_.region).ok());
  for (const char* name : {".half-4", "notes", "007"}) {
    ASSERT_TRUE(OpenAt(directory_.get(), name, O_WRONLY | O_CREAT, 0600).ok());
  }
  const auto store = Open({});
  EXPECT_NE(::access(temporary_.Join(".half-4").c_str(), F_OK), 0);
  EXPECT_EQ(::access(temporary_.Join("notes").c_str(), F_OK), 0);
  EXPECT_EQ(::access(temporary_.Join("007").c_str(), F_OK), 0);
  EXPECT_TRUE(store->Read(3).ok());
}

TEST_F(ExecArchiveStoreTest, WithoutOutputThereIsNoFile) {
  region_.End();
  const auto store = Open({});
  const auto written = store->Write(1, *region_.region);
  ASSERT_TRUE(written.ok());
  EXPECT_EQ(*written, nullptr);
  EXPECT_TRUE(absl::IsNotFound(store->Read(1).status()));
}

}  // namespace
}  // namespace glovebox
