#include "changes/change_journal.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <optional>
#include <string>

#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "gtest/gtest.h"
#include "tests/unit/changes/scratch_tree.h"

namespace glovebox {
namespace {

namespace fs = std::filesystem;

// Time that stands, far behind every file, unless a test moves it: so every file is old.
class LateClock final : public Clock {
 public:
  int64_t MonotonicNanos() const override { return real_.MonotonicNanos(); }
  absl::Time Now() const override { return real_.Now() + ahead_; }
  void set_ahead(absl::Duration ahead) { ahead_ = ahead; }

 private:
  RealClock real_;
  absl::Duration ahead_ = absl::Hours(1);
};

class ChangeJournalTest : public ::testing::Test {
 protected:
  ChangeJournalTest() {
    for (const char* dir : {"upper", "lower", "state"}) tree_.MakeDir(dir);
    Begin();
  }

  void Begin() {
    journal_.reset();
    const UniqueFd state = tree_.OpenDir("state");
    journal_ = *ChangeJournal::Open(state.get(), "changes", limits_, &memory_, &clock_);
  }
  ChangeJournal::Look Look(const std::string& disk = "disk") {
    const UniqueFd upper = tree_.OpenDir("upper");
    const UniqueFd lower = tree_.OpenDir("lower");
    auto look = journal_->LookNow({upper.get(), {lower.get()}, ""}, disk);
    EXPECT_TRUE(look.ok()) << look.status();
    return *std::move(look);
  }
  std::string Since(const std::optional<JournalPoint>& from, const JournalPoint& to) {
    const auto listing = journal_->Between(from, to);
    if (!listing.ok()) return std::string(listing.status().message());
    std::vector<Change> changes;
    for (const ListedChange& listed : listing->changes) changes.push_back(listed.change);
    return (listing->fresh ? "fresh\n" : "") + Describe(changes);
  }
  std::string StoredFile() const { return tree_.Path("state/changes"); }

  ScratchTree tree_;
  LateClock clock_;
  JournalLimits limits_;
  JournalMemory memory_{uint64_t{1} << 30};
  std::unique_ptr<ChangeJournal> journal_;
};

TEST_F(ChangeJournalTest, ATouchIsNoChangeAndAnExecuteBitIsOne) {
  tree_.Write("upper/file", "one");
  const auto first = Look();
  EXPECT_EQ(Since(std::nullopt, first.point), "A file 000000 100644\n");
  tree_.Write("upper/file", "one");
  EXPECT_EQ(Look().point, first.point);
  tree_.Write("upper/file", "one", 0755);
  const auto second = Look();
  EXPECT_EQ(Since(first.point, second.point), "M file 100644 100755\n");
  tree_.Write("upper/file", "two", 0755);
  EXPECT_EQ(Since(second.point, Look().point), "M file 100755 100755\n");
}

TEST_F(ChangeJournalTest, PointsAreKnownToTheNextDaemon) {
  tree_.Write("upper/a", "1");
  const auto first = Look();
  tree_.Write("upper/b", "2");
  const auto second = Look();
  Begin();
  tree_.Write("upper/a", "3");
  const auto third = Look();
  EXPECT_EQ(third.point.generation, first.point.generation);
  EXPECT_EQ(Since(first.point, third.point), "M a 100644 100644\nA b 000000 100644\n");
  EXPECT_EQ(Since(second.point, third.point), "M a 100644 100644\n");
}

// A daemon that is killed while it writes has told nobody of the point that it wrote.
TEST_F(ChangeJournalTest, APointThatWasCutInTheWritingIsLookedForAgain) {
  std::vector<JournalPoint> points;
  std::vector<uintmax_t> sizes;
  for (int i = 0; i < 4; ++i) {
    tree_.Write(absl::StrCat("upper/", i), "x");
    points.push_back(Look().point);
    sizes.push_back(fs::file_size(StoredFile()));
  }
  journal_.reset();
  const std::string whole = tree_.Path("whole");
  fs::copy_file(StoredFile(), whole);
  for (uintmax_t size = sizes[2]; size < sizes[3]; size += size % 7 + 1) {
    fs::copy_file(whole, StoredFile(), fs::copy_options::overwrite_existing);
    fs::resize_file(StoredFile(), size);
    Begin();
    const auto now = Look();
    std::string expected;
    for (int i = 2; i >= 0; --i) {
      expected = absl::StrCat("A ", i + 1, " 000000 100644\n", expected);
      ASSERT_EQ(Since(points[static_cast<size_t>(i)], now.point), expected) << "cut at " << size;
    }
  }
}

TEST_F(ChangeJournalTest, BytesThatAreNoJournalAreReplaced) {
  tree_.Write("upper/a", "1");
  const auto first = Look();
  for (const char* bytes : {"", "x", "no journal at all, and longer than the head of a record"}) {
    journal_.reset();
    tree_.Write("state/changes", bytes);
    Begin();
    const auto now = Look();
    EXPECT_EQ(Since(first.point, now.point), "fresh\nA a 000000 100644\n");
    Begin();
    EXPECT_EQ(Look().point, now.point);
  }
}

TEST_F(ChangeJournalTest, ALostFileMakesTheNextListWhole) {
  tree_.Write("upper/a", "1");
  const auto first = Look();
  journal_.reset();
  fs::remove(StoredFile());
  Begin();
  EXPECT_EQ(Since(first.point, Look().point), "fresh\nA a 000000 100644\n");
}

TEST_F(ChangeJournalTest, AFileThatIsOpenForWritingIsReadAgain) {
  tree_.Write("upper/mapped", std::string(8192, 'a'));
  const UniqueFd fd(::open(tree_.Path("upper/mapped").c_str(), O_RDWR | O_CLOEXEC));
  void* const pages = ::mmap(nullptr, 8192, PROT_READ | PROT_WRITE, MAP_SHARED, fd.get(), 0);
  ASSERT_NE(pages, MAP_FAILED);
  auto* const bytes = static_cast<volatile char*>(pages);
  bytes[0] = 'b';  // the page is dirty: no later write gives the file another time
  struct stat before {};
  ASSERT_EQ(::fstat(fd.get(), &before), 0);
  const auto first = Look();
  bytes[1] = 'c';
  struct stat after {};
  ASSERT_EQ(::fstat(fd.get(), &after), 0);
  EXPECT_EQ(before.st_ctim.tv_nsec, after.st_ctim.tv_nsec) << "the premise of this test";
  EXPECT_EQ(Since(first.point, Look().point), "M mapped 100644 100644\n");
  ASSERT_EQ(::munmap(pages, 8192), 0);
}

TEST_F(ChangeJournalTest, AYoungFileIsReadAgain) {
  clock_.set_ahead(absl::ZeroDuration());
  for (int i = 0; i < 50; ++i) {
    tree_.Write("upper/young", "one");
    const auto first = Look();
    tree_.Write("upper/young", "two");
    ASSERT_EQ(Since(first.point, Look().point), "M young 100644 100644\n") << i;
  }
}

TEST_F(ChangeJournalTest, WithOtherFilesNoFingerprintIsBelieved) {
  tree_.Write("upper/a", "one");
  const auto first = Look("disk-1");
  // The same fingerprint, of another disk: only a file that is not read could hide it.
  journal_.reset();
  Begin();
  EXPECT_EQ(Look("disk-2").point, first.point);
  tree_.Write("upper/a", "two");
  EXPECT_EQ(Since(first.point, Look("disk-2").point), "M a 100644 100644\n");
}

TEST_F(ChangeJournalTest, HistoryIsFoldedAndThenTheWholeIsToldOnce) {
  limits_.history_bytes_max = 16'000;
  Begin();
  tree_.Write("upper/a", "0");
  const auto first = Look();
  JournalPoint last;
  for (int i = 1; i < 200; ++i) {
    tree_.Write("upper/a", absl::StrCat(i));
    last = Look().point;
  }
  EXPECT_EQ(Since(first.point, last), "fresh\nA a 000000 100644\n");
  const auto same = Look();
  EXPECT_EQ(Since(last, same.point), "");
  Begin();
  EXPECT_EQ(Since(last, Look().point), "");
}

TEST_F(ChangeJournalTest, WhatIsTooLargeToKeepIsToldWholeEachTime) {
  limits_.history_bytes_max = 4'000;
  Begin();
  tree_.Write("upper/a", "0");
  const auto first = Look();
  EXPECT_NE(first.point.sequence, kUnknownSequence);
  for (int i = 0; i < 50; ++i) tree_.Write(absl::StrCat("upper/", i), "x");
  for (int i = 0; i < 2; ++i) {
    const UniqueFd upper = tree_.OpenDir("upper");
    const auto large = journal_->ListNow({upper.get(), {}, ""}, "disk", first.point);
    ASSERT_TRUE(large.ok());
    EXPECT_TRUE(large->fresh);
    EXPECT_EQ(large->to.sequence, kUnknownSequence);
    EXPECT_EQ(large->changes.size(), 51u);
  }
  const auto large = Look();
  for (int i = 0; i < 50; ++i) fs::remove(tree_.Path(absl::StrCat("upper/", i)));
  const auto small = Look();
  EXPECT_NE(small.point.sequence, kUnknownSequence);
  EXPECT_EQ(Since(large.point, small.point), "fresh\nA a 000000 100644\n");
  EXPECT_EQ(Since(first.point, small.point), "fresh\nA a 000000 100644\n");
}

TEST_F(ChangeJournalTest, JournalsThatDoNotFitIntoMemoryAreReadFromTheirFile) {
  JournalMemory none(0);
  const UniqueFd state = tree_.OpenDir("state");
  journal_ = *ChangeJournal::Open(state.get(), "changes", limits_, &none, &clock_);
  tree_.Write("upper/a", "1");
  const auto first = Look();
  tree_.Write("upper/b", "1");
  EXPECT_EQ(Since(first.point, Look().point), "A b 000000 100644\n");
  EXPECT_EQ(none.used(), 0u);
}

TEST_F(ChangeJournalTest, AfterCloseThereAreNoLooksAndNoFiles) {
  journal_->Close();
  const UniqueFd upper = tree_.OpenDir("upper");
  EXPECT_FALSE(journal_->LookNow({upper.get(), {}, ""}, "disk").ok());
  EXPECT_TRUE(fs::is_empty(tree_.Path("state")));
}

TEST(JournalCursorTest, ACursorIsOfOneSubjectAndOfNothingElse) {
  const JournalPoint point{0x1234567890abcdef, 42};
  const std::string text = EncodeCursor("sandbox/workdir", point);
  ASSERT_TRUE(DecodeCursor("sandbox/workdir", text).ok());
  EXPECT_EQ(*DecodeCursor("sandbox/workdir", text), point);
  std::vector<std::string> wrong = {"", "c1.", "c2." + text.substr(3), text + "A", "/"};
  for (size_t i = 0; i < text.size(); ++i) {
    std::string other = text;
    other[i] = other[i] == 'x' ? 'y' : 'x';
    wrong.push_back(other);
    wrong.push_back(text.substr(0, i));
  }
  for (const std::string& other : wrong) {
    // The last digit may have bits that stand for nothing.
    if (other.size() == text.size() && other.substr(0, 40) == text.substr(0, 40)) continue;
    const auto decoded = DecodeCursor("sandbox/workdir", other);
    ASSERT_FALSE(decoded.ok()) << other;
    EXPECT_EQ(GetErrorDetail(decoded.status())->reason, "CURSOR_INVALID");
  }
  EXPECT_FALSE(DecodeCursor("sandbox/root", text).ok());
  EXPECT_FALSE(DecodeCursor("another/workdir", text).ok());
}

}  // namespace
}  // namespace glovebox
