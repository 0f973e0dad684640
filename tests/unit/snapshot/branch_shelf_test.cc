#include "snapshot/branch_shelf.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <fstream>
#include <string>

#include "base/status.h"
#include "gtest/gtest.h"
#include "linux/file_io.h"
#include "tests/support/temporary_directory.h"

namespace glovebox {
namespace {

const std::string kOne(40, '1');
const std::string kTwo(40, '2');

class BranchShelfTest : public ::testing::Test {
 protected:
  absl::Status Keep(const std::string& name, std::vector<std::string> commits,
                    const std::string& bundle) {
    std::ofstream(directory_.path() + "/bundle", std::ios::trunc) << bundle;
    const auto file = OpenAt(AT_FDCWD, directory_.path() + "/bundle", O_RDONLY);
    RETURN_IF_ERROR(file.status());
    const KeptBranch branch{name, kOne, std::move(commits)};
    RETURN_IF_ERROR(BranchShelf::Write(Fresh(), branch, file->get(), bundle.size()));
    return shelf_.Keep("sandbox", branch, Fresh(), bundle.size());
  }
  std::string Fresh() const { return directory_.path() + "/fresh"; }
  TemporaryDirectory directory_;
  BranchShelf shelf_{directory_.path()};
};

TEST_F(BranchShelfTest, KeepsTheLastOfEachBranchUntilItIsRemoved) {
  ASSERT_TRUE(Keep("a", {kOne}, "first").ok());
  ASSERT_TRUE(Keep("b", {kOne}, "other").ok());
  ASSERT_TRUE(Keep("a", {kOne, kTwo}, "the second").ok());
  auto all = shelf_.List("sandbox");
  ASSERT_TRUE(all.ok()) << all.status();
  ASSERT_EQ(all->size(), 2u);
  for (const BranchShelf::Opened& one : *all) {
    EXPECT_EQ(one.bundle_bytes, one.branch.branch == "a" ? 10u : 5u);
    EXPECT_EQ(one.branch.commits.size(), one.branch.branch == "a" ? 2u : 1u);
  }
  ASSERT_TRUE(shelf_.Remove("sandbox").ok());
  all = shelf_.List("sandbox");
  ASSERT_TRUE(all.ok()) << all.status();
  EXPECT_TRUE(all->empty());
}

TEST_F(BranchShelfTest, TooManyBranchesAreATypedErrorAndOldOnesStillMove) {
  for (size_t i = 0; i < BranchShelf::kBranchesMax; ++i) {
    ASSERT_TRUE(Keep("b" + std::to_string(i), {kOne}, "x").ok());
  }
  EXPECT_TRUE(Keep("b0", {kOne, kTwo}, "y").ok());
  const absl::Status status = Keep("one more", {kOne}, "x");
  ASSERT_TRUE(GetErrorDetail(status).has_value()) << status;
  EXPECT_EQ(GetErrorDetail(status)->reason, "PATCH_LIMIT");
  EXPECT_EQ(GetErrorDetail(status)->metadata.at("limit"), "kept_branches");
}

// Keep is called under a lock that deletions wait for: what takes time is Write's.
TEST_F(BranchShelfTest, KeepTakesTheWrittenFileItselfAndCopiesNothing) {
  const KeptBranch branch{"a", kOne, {kOne}};
  std::ofstream(directory_.path() + "/bundle") << "bundle";
  const auto bundle = OpenAt(AT_FDCWD, directory_.path() + "/bundle", O_RDONLY);
  ASSERT_TRUE(bundle.ok()) << bundle.status();
  ASSERT_TRUE(BranchShelf::Write(Fresh(), branch, bundle->get(), 6).ok());
  auto all = shelf_.List("sandbox");
  ASSERT_TRUE(all.ok()) << all.status();
  EXPECT_TRUE(all->empty()) << "seen before it is kept";
  struct stat written {};
  ASSERT_EQ(::stat(Fresh().c_str(), &written), 0);
  ASSERT_TRUE(shelf_.Keep("sandbox", branch, Fresh(), 6).ok());
  all = shelf_.List("sandbox");
  ASSERT_TRUE(all.ok()) << all.status();
  ASSERT_EQ(all->size(), 1u);
  struct stat kept {};
  ASSERT_EQ(::fstat((*all)[0].file.get(), &kept), 0);
  EXPECT_EQ(kept.st_ino, written.st_ino);
}

TEST_F(BranchShelfTest, ADamagedFileIsSaidToBe) {
  ASSERT_TRUE(Keep("a", {kOne}, "first").ok());
  std::ofstream(directory_.path() + "/sandbox/stray") << "something";
  EXPECT_EQ(shelf_.List("sandbox").status().code(), absl::StatusCode::kDataLoss);
}

}  // namespace
}  // namespace glovebox
