#include "changes/renames.h"

#include <unistd.h>

#include <optional>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "changes/span_hash.h"
#include "changes/upper_scan.h"
#include "gtest/gtest.h"
#include "tests/unit/changes/scratch_tree.h"

namespace glovebox {
namespace {

std::string Lines(const std::string& word, int count) {
  std::string out;
  for (int i = 0; i < count; ++i) absl::StrAppend(&out, word, " ", i, "\n");
  return out;
}

class RenamesTest : public ::testing::Test {
 protected:
  RenamesTest() {
    tree_.MakeDir("upper");
    tree_.MakeDir("lower");
  }
  // Of what the lowers have.
  void Remove(const std::string& path) {
    tree_.Write("upper/" + path, "");
    tree_.SetXattr("upper/" + path, "user.overlay.whiteout", "y");
  }
  void Move(const std::string& from, const std::string& to, const std::string& content) {
    tree_.Write("lower/" + from, content);
    Remove(from);
    tree_.Write("upper/" + to, content);
  }
  // "R old new" or "A path", a line each.
  std::string Find() {
    const UniqueFd upper = tree_.OpenDir("upper");
    const UniqueFd lower = tree_.OpenDir("lower");
    const Layers layers{upper.get(), {lower.get()}, ""};
    auto scan = ScanUpper(layers, {}, clock_);
    EXPECT_TRUE(scan.ok()) << scan.status();
    if (before_) (void)::unlink(tree_.Path(*before_).c_str());
    auto found = FindRenames(layers, std::move(scan->changes), limits_, clock_);
    status_ = found.status();
    std::string out;
    if (!found.ok()) return out;
    cut_ = found->cut;
    for (const Change& change : found->changes) {
      absl::StrAppend(&out, std::string(1, static_cast<char>(change.letter)), " ");
      if (change.letter == ChangeLetter::kRenamed) absl::StrAppend(&out, change.old_path, " ");
      absl::StrAppend(&out, change.path, "\n");
    }
    return out;
  }

  ScratchTree tree_;
  RenameLimits limits_;
  RealClock clock_;
  bool cut_ = false;
  absl::Status status_;
  std::optional<std::string> before_;
};

TEST_F(RenamesTest, OfEqualFilesThoseOfTheSameNameBelongTogether) {
  Move("one/x", "two/y", "same\n");
  Move("one/y", "two/x", "same\n");
  EXPECT_EQ(Find(), "R one/x two/x\nR one/y two/y\n");
  EXPECT_FALSE(cut_);
}

TEST_F(RenamesTest, AnOldFileMovesToOnePlaceAndCopiesAreAdded) {
  Move("old", "new-1", "same\n");
  tree_.Write("upper/new-2", "same\n");
  EXPECT_EQ(Find(), "R old new-1\nA new-2\n");
}

TEST_F(RenamesTest, EmptyFilesNeverMove) {
  Move("old", "new", "");
  EXPECT_EQ(Find(), "A new\nD old\n");
}

TEST_F(RenamesTest, AFileAndALinkOfTheSameBytesAreNotOne) {
  tree_.Write("lower/file", "target");
  Remove("file");
  tree_.Link("target", "upper/link");
  EXPECT_EQ(Find(), "D file\nA link\n");
}

TEST_F(RenamesTest, HalfOfTheContentIsEnoughAndLessIsNot) {
  const std::string content = Lines("line", 100);
  tree_.Write("lower/a", content);
  tree_.Write("lower/b", Lines("other", 100));
  Remove("a");
  Remove("b");
  tree_.Write("upper/x", Lines("line", 60) + Lines("new", 40));
  tree_.Write("upper/y", Lines("other", 30) + Lines("unlike", 60));
  EXPECT_EQ(Find(), "D b\nR a x\nA y\n");
}

TEST_F(RenamesTest, BeyondALimitOnlyEqualFilesAreFoundAndThatIsSaid) {
  Move("equal", "equal-moved", "equal\n");
  tree_.Write("lower/a", Lines("line", 100));
  Remove("a");
  tree_.Write("upper/b", Lines("line", 101));
  EXPECT_EQ(Find(), "R a b\nR equal equal-moved\n");
  const RenameLimits all;
  const std::string only_equal = "D a\nA b\nR equal equal-moved\n";
  for (uint64_t RenameLimits::*limit :
       {&RenameLimits::similar_file_bytes_max, &RenameLimits::similar_bytes_max,
        &RenameLimits::similar_files_max, &RenameLimits::similar_steps_max}) {
    limits_ = all;
    limits_.*limit = 0;
    EXPECT_EQ(Find(), only_equal);
    EXPECT_TRUE(cut_);
  }
  limits_ = all;
  limits_.equal_bytes_max = 11;
  EXPECT_EQ(Find(), "R a b\nR equal equal-moved\n") << "equal files are alike, too";
  EXPECT_TRUE(cut_);
}

TEST_F(RenamesTest, AFileThatIsGoneMeanwhileHasNotMoved) {
  Move("old", "new", "same\n");
  before_ = "upper/new";
  EXPECT_EQ(Find(), "A new\nD old\n");
}

TEST_F(RenamesTest, TooMuchTimeIsATypedError) {
  Move("old", "new", "same\n");
  limits_.time_ms_max = -1;
  Find();
  ASSERT_TRUE(GetErrorDetail(status_).has_value()) << status_;
  EXPECT_EQ(GetErrorDetail(status_)->reason, "TOO_MANY_CHANGES");
}

TEST(SpanHashTest, CountsWhatBothHaveAndIgnoresCarriageReturnsOfText) {
  const std::string unix_text = "one\ntwo\nthree\n";
  const std::string dos_text = "one\r\ntwo\r\nthree\r\n";
  EXPECT_EQ(SpanHashes(dos_text).BytesAlsoIn(SpanHashes(unix_text)), unix_text.size());
  EXPECT_EQ(SpanHashes("").BytesAlsoIn(SpanHashes(unix_text)), 0u);
  EXPECT_EQ(SpanHashes(std::string(1000, 'x')).size(), 2u) << "pieces of 64 bytes, and the rest";
  EXPECT_FALSE(MayBeSimilar(0, 0, kSimilarityMax / 2));
  EXPECT_FALSE(MayBeSimilar(100, 201, kSimilarityMax / 2));
  EXPECT_TRUE(MayBeSimilar(100, 200, kSimilarityMax / 2));
}

}  // namespace
}  // namespace glovebox
