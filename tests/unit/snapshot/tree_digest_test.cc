#include "snapshot/tree_digest.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <string>

#include "base/status.h"
#include "base/unique_fd.h"
#include "gtest/gtest.h"
#include "tests/support/must_run.h"

namespace glovebox {
namespace {

class TreeDigestTest : public testing::Test {
 protected:
  TreeDigestTest() {
    std::string path = testing::TempDir() + "/tree.XXXXXX";
    root_ = ::mkdtemp(path.data());
    std::filesystem::create_directory(root_ + "/d");
    Write("d/file", "content");
    std::filesystem::create_symlink("file", root_ + "/d/link");
  }
  ~TreeDigestTest() override { std::filesystem::remove_all(root_); }

  void Write(const std::string& path, const std::string& content) {
    std::ofstream(root_ + "/" + path) << content;
  }
  absl::StatusOr<std::string> Digest(const TreeDigestOptions& options = {}) {
    const UniqueFd fd(::open(root_.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    return DigestTree(fd.get(), options);
  }
  std::string root_;
};

TEST_F(TreeDigestTest, SameTreeElsewhereHasTheSameDigest) {
  const auto before = Digest();
  ASSERT_TRUE(before.ok()) << before.status();
  const std::string copy = root_ + ".copy";
  std::filesystem::copy(
      root_, copy,
      std::filesystem::copy_options::recursive | std::filesystem::copy_options::copy_symlinks);
  std::filesystem::remove_all(root_);
  root_ = copy;
  const auto after = Digest();
  ASSERT_TRUE(after.ok()) << after.status();
  EXPECT_EQ(*before, *after);
}

TEST_F(TreeDigestTest, EveryKindOfChangeShows) {
  const std::string before = *Digest();
  Write("d/file", "Content");
  EXPECT_NE(*Digest(), before) << "content";
  Write("d/file", "content");
  EXPECT_EQ(*Digest(), before);
  ASSERT_EQ(::chmod((root_ + "/d/file").c_str(), 0755), 0);
  EXPECT_NE(*Digest(), before) << "mode";
  ASSERT_EQ(::chmod((root_ + "/d/file").c_str(), 0644), 0);
  EXPECT_EQ(*Digest(), before);
  std::filesystem::remove(root_ + "/d/link");
  std::filesystem::create_symlink("fil", root_ + "/d/link");
  EXPECT_NE(*Digest(), before) << "link target";
  std::filesystem::remove(root_ + "/d/link");
  Write("d/link", "file");
  EXPECT_NE(*Digest(), before) << "type";
  std::filesystem::remove(root_ + "/d/link");
  std::filesystem::create_symlink("file", root_ + "/d/link");
  EXPECT_EQ(*Digest(), before);
  std::filesystem::create_directory(root_ + "/empty");
  EXPECT_NE(*Digest(), before) << "empty directory";
}

TEST_F(TreeDigestTest, WhatIsLeftOutDoesNotCount) {
  std::filesystem::create_directory(root_ + "/d/.git");
  const std::string before = *Digest({.left_out = {"d/.git"}});
  Write("d/.git/pack", "bytes");
  EXPECT_EQ(*Digest({.left_out = {"d/.git"}}), before);
  EXPECT_NE(*Digest(), before);
}

TEST_F(TreeDigestTest, LinkOutOfTheTreeIsNotFollowed) {
  std::filesystem::create_symlink("/etc", root_ + "/out");
  const auto digest = Digest({.left_out = {}, .entries_max = 5});
  EXPECT_TRUE(digest.ok()) << digest.status();
}

TEST_F(TreeDigestTest, FifoDoesNotBlock) {
  ASSERT_EQ(::mkfifo((root_ + "/fifo").c_str(), 0600), 0);
  EXPECT_TRUE(Digest().ok());
}

TEST_F(TreeDigestTest, OverlayRedirectIsRefusedEvenWhereItIsLeftOut) {
  std::filesystem::create_directory(root_ + "/d/.git");
  const std::string path = root_ + "/d/.git";
  const bool set = ::setxattr(path.c_str(), "user.overlay.redirect", "/x", 2, 0) == 0;
  SKIP_UNLESS(set, "the temporary directory has no user attributes");
  const absl::Status status = Digest({.left_out = {"d/.git"}}).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(GetErrorDetail(status)->reason, "CONTENT_REFUSED");
}

// Of d, d/file and d/link: paths of 1, 6 and 6 bytes, a digest of 64, a target of 4.
TEST_F(TreeDigestTest, ListOfNamesHasALimit) {
  const uint64_t bytes = 3 * TreeEntry::kOwnBytes + 1 + 6 + 6 + 64 + 4;
  EXPECT_TRUE(Digest({.left_out = {}, .bytes_max = bytes}).ok());
  const absl::Status refused = Digest({.left_out = {}, .bytes_max = bytes - 1}).status();
  EXPECT_EQ(refused.code(), absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(GetErrorDetail(refused)->reason, "TREE_TOO_LARGE");
  EXPECT_FALSE(GetErrorDetail(refused)->metadata.at("remedy").empty());
}

TEST_F(TreeDigestTest, NamesThatAreLeftOutCountOnlyWhileTheyAreHeld) {
  std::filesystem::create_directory(root_ + "/a");
  Write("a/" + std::string(200, 'n'), "");
  // "a" and "d" are held, and the name in a: more than all that counts in the end.
  const uint64_t most = 2 * (TreeEntry::kOwnBytes + 1) + TreeEntry::kOwnBytes + 200;
  EXPECT_TRUE(Digest({.left_out = {"a"}, .bytes_max = most}).ok());
  EXPECT_FALSE(Digest({.left_out = {"a"}, .bytes_max = most - 1}).ok());
}

TEST_F(TreeDigestTest, LimitsHold) {
  EXPECT_EQ(Digest({.left_out = {}, .entries_max = 2}).status().code(),
            absl::StatusCode::kResourceExhausted);
  std::filesystem::create_directories(root_ + "/1/2/3/4");
  EXPECT_EQ(Digest({.left_out = {}, .depth_max = 3}).status().code(),
            absl::StatusCode::kResourceExhausted);
}

}  // namespace
}  // namespace glovebox
