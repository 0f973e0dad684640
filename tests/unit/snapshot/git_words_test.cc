#include <string>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"
#include "snapshot/branch_shelf.h"
#include "snapshot/git_work.h"

namespace glovebox {
namespace {

const std::string kOne(40, '1');
const std::string kTwo(40, '2');

TEST(BranchNameTest, TakesWhatGitTakesAndNothingElse) {
  for (const char* name : {"a", "fix/it", "x.y", "a-b_c", "\xc3\xa4", "a@b", "main.locks"}) {
    EXPECT_TRUE(CheckBranchName(name).ok()) << name;
  }
  for (const std::string name :
       {"",     "-a",     "a..b",     "a~",    "a^", "a:b",  "a?",   "a*",   "a[b",
        "a\\b", "a b",    "a\nb",     "a\x7f", "/a", "a/",   "a//b", ".a",   "a/.b",
        "a.",   "a.lock", "a.lock/b", "a@{0}", "@",  "HEAD", "\xff", "a\"b", "a'b"}) {
    EXPECT_FALSE(CheckBranchName(name).ok()) << name;
  }
  EXPECT_FALSE(CheckBranchName(std::string("a\0b", 3)).ok());
  EXPECT_FALSE(CheckBranchName(kOne).ok());
  EXPECT_FALSE(CheckBranchName(std::string(201, 'x')).ok());
}

TEST(CommitAnswerTest, IsFiveLinesAndNothingElse) {
  CommitMade made;
  ASSERT_TRUE(ParseCommitAnswer(absl::StrCat("same\n", kOne, "\n3\n20\n1\n"), &made).ok());
  EXPECT_EQ(made.commit, kOne);
  EXPECT_FALSE(made.is_new);
  EXPECT_EQ(made.files, 3u);
  EXPECT_EQ(made.lines_added, 20u);
  EXPECT_EQ(made.lines_removed, 1u);
  for (const std::string& text :
       {std::string(), absl::StrCat("new\n", kOne, "\n3\n20\n1"),
        absl::StrCat("new\n", kOne, "\n3\n20\n1\nx"), absl::StrCat("old\n", kOne, "\n3\n20\n1\n"),
        absl::StrCat("new\n", kOne, "0\n3\n20\n1\n"),
        absl::StrCat("new\n", kOne, "\n3\n-1\n1\n")}) {
    EXPECT_FALSE(ParseCommitAnswer(text, &made).ok()) << text;
  }
}

TEST(KeptBranchTest, IsReadAsItWasWritten) {
  const KeptBranch branch{"fix/it", kOne, {kTwo, kOne}};
  const std::string head = FormatKeptBranch(branch);
  uint64_t size = 0;
  const auto read = ParseKeptBranch(head + "# v2 git bundle\n\n", &size);
  ASSERT_TRUE(read.ok()) << read.status();
  EXPECT_EQ(size, head.size());
  EXPECT_EQ(read->branch, branch.branch);
  EXPECT_EQ(read->base, branch.base);
  EXPECT_EQ(read->commits, branch.commits);
  for (const std::string& text : {std::string(), head.substr(0, head.size() - 1), "x" + head,
                                  absl::StrCat("glovebox-branch 1\n..\n", kOne, "\n", kTwo, "\n"),
                                  absl::StrCat("glovebox-branch 1\na\n", kOne, "\n\n")}) {
    EXPECT_EQ(ParseKeptBranch(text, &size).status().code(), absl::StatusCode::kDataLoss) << text;
  }
}

}  // namespace
}  // namespace glovebox
