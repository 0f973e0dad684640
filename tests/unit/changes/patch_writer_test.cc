#include "changes/patch_writer.h"

#include <unistd.h>

#include <filesystem>
#include <functional>

#include "base/status.h"
#include "changes/commit_patch.h"
#include "changes/upper_scan.h"
#include "gtest/gtest.h"
#include "tests/unit/changes/scratch_tree.h"

namespace glovebox {
namespace {

class PatchWriterTest : public ::testing::Test {
 protected:
  PatchWriterTest() {
    tree_.MakeDir("upper");
    tree_.MakeDir("lower");
  }
  absl::StatusOr<PatchSummary> Write() {
    const UniqueFd upper = tree_.OpenDir("upper");
    const UniqueFd lower = tree_.OpenDir("lower");
    const Layers layers{upper.get(), {lower.get()}, ""};
    ASSIGN_OR_RETURN(const ScanResult scan, ScanUpper(layers, {}, clock_));
    if (after_scan_) after_scan_();
    patch_.clear();
    const auto write = of_commit_ ? &WriteCommitPatch : &WritePatch;
    return write(layers, scan.changes, limits_, clock_, [this](absl::string_view bytes) {
      patch_.append(bytes.data(), bytes.size());
      return absl::OkStatus();
    });
  }
  ScratchTree tree_;
  PatchLimits limits_;
  bool of_commit_ = false;
  RealClock clock_;
  std::string patch_;
  std::function<void()> after_scan_;
};

std::string Names(const std::vector<SkippedEntry>& skipped) {
  std::string names;
  for (const SkippedEntry& entry : skipped) {
    names += entry.path + " " + std::string(SkipReasonName(entry.reason)) + "\n";
  }
  return names;
}

TEST_F(PatchWriterTest, WritesWhatGitDiffWrites) {
  tree_.Write("lower/a b", "one\ntwo\n");
  tree_.Write("upper/a b", "one\n2\n", 0755);
  const auto summary = Write();
  ASSERT_TRUE(summary.ok()) << summary.status();
  EXPECT_EQ(patch_,
            "diff --git a/a b b/a b\nold mode 100644\nnew mode 100755\n"
            "index 814f4a422927b82f5f8a43f8fab6d3839e3983f2.."
            "99b356dcd03dde0755c749bcd4cae4b2b73a8fa8\n"
            "--- a/a b\t\n+++ b/a b\t\n@@ -1,2 +1,2 @@\n one\n-two\n+2\n");
  EXPECT_EQ(summary->insertions, 1u);
  EXPECT_EQ(summary->deletions, 1u);
  EXPECT_EQ(summary->output_bytes, patch_.size());
  ASSERT_EQ(summary->files.size(), 1u);
}

TEST_F(PatchWriterTest, SaysWhatIsNotInThePatchAndWhy) {
  tree_.Fifo("upper/pipe");
  tree_.MakeDir("upper/empty");
  tree_.Write("upper/large", "0123456789");
  tree_.Write("upper/sub/.git/config", "x");
  tree_.Write("upper/vanishes", "x");
  limits_.file_bytes_max = 9;
  after_scan_ = [this] { (void)::unlink(tree_.Path("upper/vanishes").c_str()); };
  const auto summary = Write();
  ASSERT_TRUE(summary.ok()) << summary.status();
  EXPECT_EQ(patch_, "");
  EXPECT_EQ(Names(summary->skipped),
            "empty empty_directory\nlarge too_large\npipe special_file\n"
            "sub/.git/config refused_by_git\nvanishes changed_meanwhile\n");
}

// A sandbox has an empty directory where the commit has a submodule.
TEST_F(PatchWriterTest, WhatIsPutIntoASubmoduleIsLeftOut) {
  for (const char* directory : {"lower/d/sub", "lower/other", "lower/replaced", "lower/d2/sub"}) {
    tree_.MakeDir(directory);
  }
  tree_.Write("upper/d/sub/deep/x", "x\n");
  tree_.Write("upper/d/sub-not", "x\n");
  tree_.Write("upper/d2", "x\n");
  tree_.Write("upper/new/x", "x\n");
  tree_.Write("upper/other/y", "y\n");
  tree_.Write("upper/replaced", "x\n");
  of_commit_ = true;
  const auto summary = Write();
  ASSERT_TRUE(summary.ok()) << summary.status();
  EXPECT_EQ(Names(summary->skipped),
            "d/sub/deep/x empty_directory\nd2 empty_directory\nd2/sub empty_directory\n"
            "other/y empty_directory\nreplaced empty_directory\nreplaced empty_directory\n");
  ASSERT_EQ(summary->files.size(), 2u);
  EXPECT_EQ(summary->files[0].path + " " + summary->files[1].path, "d/sub-not new/x");
  // An archive has true empty directories.
  of_commit_ = false;
  const auto archive = Write();
  ASSERT_TRUE(archive.ok()) << archive.status();
  EXPECT_EQ(archive->files.size(), 6u);
}

// git apply would find "x" to be a file still, and "d" to have one.
TEST_F(PatchWriterTest, WhatTakesThePlaceOfASkippedFileIsSkipped) {
  tree_.Write("lower/d/large", "0123456789");
  tree_.Write("lower/d/small", "0\n");
  tree_.Write("lower/x", "0123456789");
  tree_.Write("upper/d", "d\n");
  tree_.Write("upper/x-not", "x\n");
  tree_.Write("upper/x/y/z", "z\n");
  limits_.file_bytes_max = 9;
  const auto summary = Write();
  ASSERT_TRUE(summary.ok()) << summary.status();
  EXPECT_EQ(Names(summary->skipped),
            "d too_large\nd/large too_large\nx too_large\nx/y/z too_large\n");
  EXPECT_EQ(summary->skipped[3].size_bytes, 10u);
  ASSERT_EQ(summary->files.size(), 2u);
  EXPECT_EQ(summary->files[0].path + " " + summary->files[1].path, "d/small x-not");
}

TEST_F(PatchWriterTest, ALinkPutInPlaceOfAFileIsNotFollowed) {
  tree_.Write("upper/d/file", "x");
  after_scan_ = [this] {
    std::filesystem::remove_all(tree_.Path("upper/d"));
    tree_.Write("outside/file", "canary");
    tree_.Link("../outside", "upper/d");
  };
  const auto summary = Write();
  ASSERT_TRUE(summary.ok()) << summary.status();
  EXPECT_EQ(patch_, "");
  ASSERT_EQ(summary->skipped.size(), 1u);
  EXPECT_EQ(summary->skipped[0].reason, SkipReason::kChangedMeanwhile);
}

TEST_F(PatchWriterTest, OutputAndTimeLimitsAreTypedErrors) {
  tree_.Write("upper/file", "content\n");
  limits_.output_bytes_max = 100;
  EXPECT_EQ(GetErrorDetail(Write().status())->metadata.at("limit"), "output_bytes");
  limits_ = {};
  limits_.time_ms_max = -1;
  EXPECT_EQ(GetErrorDetail(Write().status())->metadata.at("limit"), "time_ms");
}

TEST_F(PatchWriterTest, FilesOverTheTextLimitAreStreamedAsLiterals) {
  tree_.Write("upper/file", std::string(100'000, 'x'));
  limits_.text_bytes_max = 1000;
  const auto summary = Write();
  ASSERT_TRUE(summary.ok()) << summary.status();
  EXPECT_NE(patch_.find("GIT binary patch\nliteral 100000\n"), std::string::npos);
  EXPECT_TRUE(summary->files[0].binary);
}

}  // namespace
}  // namespace glovebox
