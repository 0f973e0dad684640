#include "linux/open_beneath.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <set>

#include "base/status.h"
#include "gtest/gtest.h"

namespace glovebox {
namespace {

class OpenBeneathTest : public ::testing::Test {
 protected:
  OpenBeneathTest() {
    char name[] = "/tmp/glovebox-beneath-XXXXXX";
    root_ = ::mkdtemp(name);
    std::filesystem::create_directories(root_ + "/in/sub");
    std::ofstream(root_ + "/outside") << "canary";
    std::ofstream(root_ + "/in/file") << "content";
    std::ofstream(root_ + "/in/sub/file") << "deep";
    std::filesystem::create_symlink("../outside", root_ + "/in/link-out");
    std::filesystem::create_symlink("sub", root_ + "/in/link-dir");
    dir_.Reset(::open((root_ + "/in").c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  }
  ~OpenBeneathTest() override { std::filesystem::remove_all(root_); }
  std::string Reason(const absl::Status& status) {
    const auto detail = GetErrorDetail(status);
    return detail.has_value() ? detail->reason : "";
  }
  std::string root_;
  UniqueFd dir_;
};

TEST_F(OpenBeneathTest, ReadsAFileBelowTheDirectory) {
  const auto file = OpenRegularBeneath(dir_.get(), "sub/file");
  ASSERT_TRUE(file.ok()) << file.status();
  EXPECT_EQ(*ReadWhole(file->fd.get(), 100), "deep");
  EXPECT_NE(::fcntl(file->fd.get(), F_GETFD) & FD_CLOEXEC, 0);
}

TEST_F(OpenBeneathTest, NoPathLeadsOutOrThroughALink) {
  for (const char* path : {"../outside", "sub/../../outside", "/etc/passwd", "link-dir/file"}) {
    EXPECT_EQ(Reason(OpenRegularBeneath(dir_.get(), path).status()), "PATH_NOT_BENEATH") << path;
  }
  EXPECT_EQ(Reason(OpenRegularBeneath(dir_.get(), "link-out").status()), "NOT_A_REGULAR_FILE");
  EXPECT_EQ(Reason(OpenDirectoryBeneath(dir_.get(), "link-dir").status()), "NOT_A_DIRECTORY");
}

TEST_F(OpenBeneathTest, AnotherMountIsNotEntered) {
  const UniqueFd slash(::open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  EXPECT_EQ(Reason(OpenRegularBeneath(slash.get(), "proc/self/status").status()),
            "PATH_NOT_BENEATH");
}

TEST_F(OpenBeneathTest, AFifoIsRefusedWithoutBlocking) {
  ASSERT_EQ(::mkfifo((root_ + "/in/fifo").c_str(), 0600), 0);
  EXPECT_EQ(Reason(OpenRegularBeneath(dir_.get(), "fifo").status()), "NOT_A_REGULAR_FILE");
  const auto pinned = PinBeneath(dir_.get(), "fifo");
  ASSERT_TRUE(pinned.ok());
  EXPECT_EQ(Reason(OpenPinned(*pinned).status()), "NOT_A_FILE_OR_DIRECTORY");
}

TEST_F(OpenBeneathTest, OpensThePinnedInodeWhateverTheNameIsNow) {
  const auto pinned = PinBeneath(dir_.get(), "file");
  ASSERT_TRUE(pinned.ok());
  std::filesystem::remove(root_ + "/in/file");
  std::filesystem::create_symlink("../outside", root_ + "/in/file");
  const auto file = OpenPinned(*pinned);
  ASSERT_TRUE(file.ok()) << file.status();
  EXPECT_EQ(*ReadWhole(file->fd.get(), 100), "content");
}

TEST_F(OpenBeneathTest, ReadWholeRefusesMoreThanTheLimit) {
  const auto file = OpenRegularBeneath(dir_.get(), "file");
  ASSERT_TRUE(file.ok());
  EXPECT_EQ(*ReadWhole(file->fd.get(), 7), "content");
  EXPECT_EQ(Reason(ReadWhole(file->fd.get(), 6).status()), "FILE_TOO_LARGE");
}

TEST_F(OpenBeneathTest, ReadsLinksAndNamesWithoutFollowing) {
  const auto link = PinBeneath(dir_.get(), "link-out");
  ASSERT_TRUE(link.ok());
  EXPECT_EQ(*ReadPinnedLink(*link), "../outside");
  std::set<std::string> names;
  ASSERT_TRUE(ForEachName(dir_.get(), [&](absl::string_view name) {
                names.emplace(name);
                return absl::OkStatus();
              }).ok());
  EXPECT_EQ(names, (std::set<std::string>{"file", "sub", "link-out", "link-dir"}));
}

TEST_F(OpenBeneathTest, AbsentNamesAndOverlongPathsAreToldApart) {
  EXPECT_TRUE(absl::IsNotFound(OpenRegularBeneath(dir_.get(), "absent").status()));
  EXPECT_TRUE(
      absl::IsInvalidArgument(OpenRegularBeneath(dir_.get(), std::string(5000, 'x')).status()));
}

}  // namespace
}  // namespace glovebox
