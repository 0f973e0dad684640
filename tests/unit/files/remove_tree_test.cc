#include "files/remove_tree.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>

#include "absl/strings/str_cat.h"
#include "base/unique_fd.h"
#include "gtest/gtest.h"

namespace glovebox {
namespace {

namespace fs = std::filesystem;

class RemoveTreeTest : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string name = ::testing::TempDir() + "glovebox-remove-XXXXXX";
    ASSERT_NE(::mkdtemp(name.data()), nullptr);
    root_ = name;
    fs::create_directory(root_ + "/tree");
    top_.Reset(::open(root_.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
    ASSERT_TRUE(top_.valid());
  }
  void TearDown() override { fs::remove_all(root_); }

  std::string root_;
  UniqueFd top_;
};

TEST_F(RemoveTreeTest, ReadsEachNameAboutTwice) {
  constexpr uint64_t kDirectories = 1'000;
  const UniqueFd tree(::openat(top_.get(), "tree", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  for (uint64_t i = 0; i < kDirectories; ++i) {
    ASSERT_EQ(::mkdirat(tree.get(), absl::StrCat(i).c_str(), 0755), 0);
  }
  uint64_t names_read = 0;
  ASSERT_TRUE(RemoveTree(top_.get(), "tree", "tree", &names_read).ok());
  EXPECT_TRUE(fs::is_empty(root_));
  // Each by its own name, and its "." and "..".
  EXPECT_GE(names_read, kDirectories);
  EXPECT_LE(names_read, 4 * kDirectories);
}

TEST_F(RemoveTreeTest, GoesDownFartherThanItHoldsOpen) {
  UniqueFd at(::openat(top_.get(), "tree", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  for (int depth = 0; depth < 300; ++depth) {
    for (const char* name : {"a", "d", "z"}) ASSERT_EQ(::mkdirat(at.get(), name, 0755), 0);
    const UniqueFd file(::openat(at.get(), "f", O_WRONLY | O_CREAT | O_CLOEXEC, 0644));
    ASSERT_TRUE(file.valid());
    ASSERT_EQ(::symlinkat("/", at.get(), "link"), 0);
    at.Reset(::openat(at.get(), "d", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  }
  uint64_t names_read = 0;
  ASSERT_TRUE(RemoveTree(top_.get(), "tree", "tree", &names_read).ok());
  EXPECT_TRUE(fs::is_empty(root_));
  EXPECT_LE(names_read, 300u * 30);
}

}  // namespace
}  // namespace glovebox
