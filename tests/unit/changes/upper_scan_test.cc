#include "changes/upper_scan.h"

#include <sys/stat.h>

#include "base/status.h"
#include "gtest/gtest.h"
#include "tests/unit/changes/scratch_tree.h"

namespace glovebox {
namespace {

class UpperScanTest : public ::testing::Test {
 protected:
  UpperScanTest() {
    for (const char* layer : {"upper", "l0", "l1"}) tree_.MakeDir(layer);
  }
  absl::StatusOr<ScanResult> Scan(const std::string& root = "") {
    const UniqueFd upper = tree_.OpenDir("upper");
    const UniqueFd l0 = tree_.OpenDir("l0");
    const UniqueFd l1 = tree_.OpenDir("l1");
    return ScanUpper({upper.get(), {l0.get(), l1.get()}, root}, options_, clock_);
  }
  std::string Changes(const std::string& root = "") {
    const auto result = Scan(root);
    EXPECT_TRUE(result.ok()) << result.status();
    return result.ok() ? Describe(result->changes) : "";
  }
  // An empty file that stands for "no such name"; needs no privilege, unlike the device node.
  void Whiteout(const std::string& path) {
    tree_.Write(path, "");
    tree_.SetXattr(path, "user.overlay.whiteout", "y");
  }
  void ExpectLimit(const std::string& limit) {
    const auto result = Scan();
    ASSERT_EQ(result.status().code(), absl::StatusCode::kResourceExhausted) << result.status();
    const auto detail = GetErrorDetail(result.status());
    ASSERT_TRUE(detail.has_value());
    EXPECT_EQ(detail->reason, "TOO_MANY_CHANGES");
    EXPECT_EQ(detail->metadata.at("limit"), limit);
  }
  ScratchTree tree_;
  ScanOptions options_;
  RealClock clock_;
};

TEST_F(UpperScanTest, AnEmptyUpperIsNoChange) {
  tree_.Write("l0/a", "a");
  EXPECT_EQ(Changes(), "");
}

TEST_F(UpperScanTest, CopiedUpButEqualIsNoChange) {
  tree_.Write("l1/d/same", "same", 0644);
  tree_.Write("upper/d/same", "same", 0664);
  tree_.Link("target", "l1/d/link");
  tree_.Link("target", "upper/d/link");
  EXPECT_EQ(Changes(), "");
}

TEST_F(UpperScanTest, ListsContentModeTypeAndNewFilesByPath) {
  tree_.Write("l0/same-size", "aaa");
  tree_.Write("upper/same-size", "aab");
  tree_.Write("l0/mode", "x", 0644);
  tree_.Write("upper/mode", "x", 0755);
  tree_.Write("l0/becomes-link", "x");
  tree_.Link("x", "upper/becomes-link");
  tree_.Write("upper/new", "x");
  tree_.Fifo("upper/pipe");
  tree_.Write("l0/was-file", "x");
  tree_.Fifo("upper/was-file");
  EXPECT_EQ(Changes(),
            "T becomes-link 100644 120000\n"
            "M mode 100644 100755\n"
            "A new 000000 100644\n"
            "A pipe 000000 010000\n"
            "M same-size 100644 100644\n"
            "D was-file 100644 000000\n"
            "A was-file 000000 010000\n");
}

TEST_F(UpperScanTest, DirectoriesAreListedOnlyWhenEmpty) {
  tree_.MakeDir("upper/new/empty");
  tree_.Write("upper/full/file", "x");
  tree_.MakeDir("l1/old-empty");
  Whiteout("upper/old-empty");
  EXPECT_EQ(Changes(),
            "A full/file 000000 100644\n"
            "A new/empty 000000 040000\n"
            "D old-empty 040000 000000\n");
}

TEST_F(UpperScanTest, DeletedDirectoriesExpandToTheFilesOfAllLayers) {
  tree_.Write("l0/d/from0", "x");
  tree_.Write("l1/d/from1", "x");
  tree_.Write("l1/d/hidden", "x");
  Whiteout("l0/d/hidden");
  tree_.Write("l1/d/sub/deep", "x");
  Whiteout("upper/d");
  EXPECT_EQ(Changes(),
            "D d/from0 100644 000000\n"
            "D d/from1 100644 000000\n"
            "D d/sub/deep 100644 000000\n");
}

TEST_F(UpperScanTest, OpaqueDirectoriesHideTheLowersAlsoFurtherDown) {
  tree_.Write("l1/d/kept", "same");
  tree_.Write("l1/d/lost", "x");
  tree_.Write("l1/d/sub/lost", "x");
  tree_.Write("upper/d/kept", "same");
  tree_.Write("upper/d/sub/new", "x");
  tree_.SetXattr("upper/d", "user.overlay.opaque", "y");
  EXPECT_EQ(Changes(),
            "D d/lost 100644 000000\n"
            "D d/sub/lost 100644 000000\n"
            "A d/sub/new 000000 100644\n");
}

TEST_F(UpperScanTest, OpaqueXOnlySaysThatThereAreWhiteouts) {
  tree_.Write("l1/d/a", "x");
  tree_.Write("l1/d/b", "x");
  tree_.MakeDir("upper/d");
  tree_.SetXattr("upper/d", "user.overlay.opaque", "x");
  Whiteout("upper/d/a");
  EXPECT_EQ(Changes(), "D d/a 100644 000000\n");
}

TEST_F(UpperScanTest, OpaqueInALowerEndsTheMergingThere) {
  tree_.Write("l1/d/hidden", "x");
  tree_.Write("l0/d/seen", "x");
  tree_.SetXattr("l0/d", "user.overlay.opaque", "y");
  tree_.Write("upper/d/hidden", "x");
  EXPECT_EQ(Changes(), "A d/hidden 000000 100644\n");
}

TEST_F(UpperScanTest, DirectoryAndFileReplaceEachOther) {
  tree_.Write("l0/dir/x", "x");
  tree_.Write("upper/dir", "file now");
  tree_.Write("l0/file", "x");
  tree_.Write("upper/file/x", "x");
  EXPECT_EQ(Changes(),
            "A dir 000000 100644\n"
            "D dir/x 100644 000000\n"
            "D file 100644 000000\n"
            "A file/x 000000 100644\n");
}

TEST_F(UpperScanTest, WalksFromASubdirectoryAndLeavesOutItsGit) {
  tree_.Write("upper/etc/passwd", "x");
  tree_.Write("upper/workspace/.git/index", "x");
  tree_.Write("upper/workspace/sub/.git/index", "x");
  EXPECT_EQ(Changes("workspace"), "A sub/.git/index 000000 100644\n");
  options_.exclude_root_git = false;
  EXPECT_EQ(Changes("workspace"), "A .git/index 000000 100644\nA sub/.git/index 000000 100644\n");
}

TEST_F(UpperScanTest, ARootThatIsGoneHasLostEverything) {
  tree_.Write("l1/a/workspace/x", "x");
  Whiteout("upper/a");
  EXPECT_EQ(Changes("a/workspace"), "D x 100644 000000\n");
}

TEST_F(UpperScanTest, ARootThatIsALinkIsRefused) {
  tree_.Write("l0/workspace/x", "x");
  tree_.Link("/etc", "upper/workspace");
  EXPECT_EQ(GetErrorDetail(Scan("workspace").status())->reason, "ROOT_NOT_A_DIRECTORY");
  EXPECT_EQ(GetErrorDetail(Scan("nowhere").status())->reason, "ROOT_NOT_FOUND");
}

TEST_F(UpperScanTest, RedirectAndMetacopyAreRefused) {
  tree_.MakeDir("upper/d");
  tree_.SetXattr("upper/d", "user.overlay.redirect", "/x");
  EXPECT_EQ(GetErrorDetail(Scan().status())->reason, "OVERLAY_FEATURE");
}

TEST_F(UpperScanTest, EveryLimitIsATypedErrorThatNamesIt) {
  tree_.Write("upper/dir/sub/file", "0123456789");
  tree_.Write("l0/dir/sub/file", "0123456780");
  const ScanLimits defaults;
  options_.limits.entries_max = 2;
  ExpectLimit("entries");
  options_.limits = defaults;
  options_.limits.depth_max = 1;
  ExpectLimit("depth");
  options_.limits = defaults;
  options_.limits.path_bytes_max = 11;
  ExpectLimit("path_bytes");
  options_.limits = defaults;
  options_.limits.memory_bytes_max = 40;
  ExpectLimit("memory_bytes");
  options_.limits = defaults;
  options_.limits.compare_bytes_max = 19;
  ExpectLimit("compare_bytes");
  options_.limits = defaults;
  options_.limits.time_ms_max = -1;
  ExpectLimit("time_ms");
}

}  // namespace
}  // namespace glovebox
