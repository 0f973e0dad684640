#include "snapshot/workspace_capture.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <filesystem>
#include <string>

#include "gtest/gtest.h"
#include "tests/kernel/snapshot/state_directory.h"

namespace glovebox {
namespace {

namespace fs = std::filesystem;

class WorkspaceCaptureTest : public StateDirectoryTest {
 protected:
  WorkspaceCaptureTest() : disk_(NewDisk(64 * kMiB, 0)), top_(disk_->mount_path()) {}

  // A chain of directories that no path can name.
  void MakeDeep(const std::string& at, int depth) const {
    int fd = ::open(at.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    for (int i = 0; i < depth; ++i) {
      ASSERT_EQ(::mkdirat(fd, "d", 0700), 0);
      const int child = ::openat(fd, "d", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
      ::close(fd);
      fd = child;
    }
    ::close(fd);
  }

  const std::unique_ptr<Disk> disk_;
  const std::string top_;
};

TEST_F(WorkspaceCaptureTest, OnlyTheWorkspaceIsKept) {
  fs::create_directories(top_ + "/upper/workspace/d");
  fs::create_directories(top_ + "/upper/home/agent");
  WriteFile(top_ + "/upper/workspace/d/f", "kept");
  WriteFile(top_ + "/upper/home/agent/secret", "SECRET-OF-THE-HOME");
  fs::create_symlink("/etc", top_ + "/upper/link");
  ASSERT_TRUE(KeepWorkspace(*disk_).ok());
  EXPECT_EQ(ReadFile(top_ + "/root/workspace/d/f"), "kept");
  EXPECT_FALSE(fs::exists(top_ + "/upper"));
  EXPECT_FALSE(fs::exists(top_ + "/work"));
  EXPECT_TRUE(fs::exists("/etc/passwd"));
}

TEST_F(WorkspaceCaptureTest, NothingOfTheRestStaysInTheImage) {
  fs::create_directories(top_ + "/upper/workspace");
  std::string secret;
  for (int i = 0; i < 4096; ++i) secret += "SECRET-OF-THE-HOME ";
  WriteFile(top_ + "/upper/secret", secret);
  const int fd = disk_->root_fd();
  ASSERT_EQ(::syncfs(fd), 0);
  ASSERT_NE(ReadFile(disk_->image_path()).find("SECRET-OF-THE-HOME"), std::string::npos);
  ASSERT_TRUE(KeepWorkspace(*disk_).ok());
  ASSERT_EQ(::syncfs(fd), 0);
  EXPECT_EQ(ReadFile(disk_->image_path()).find("SECRET-OF-THE-HOME"), std::string::npos);
}

TEST_F(WorkspaceCaptureTest, FifosAndSocketsBecomeWhiteouts) {
  fs::create_directories(top_ + "/upper/workspace/d");
  ASSERT_EQ(::mkfifo((top_ + "/upper/workspace/d/fifo").c_str(), 0600), 0);
  ASSERT_EQ(::mknod((top_ + "/upper/workspace/socket").c_str(), S_IFSOCK | 0600, 0), 0);
  ASSERT_TRUE(KeepWorkspace(*disk_).ok());
  for (const char* name : {"/root/workspace/d/fifo", "/root/workspace/socket"}) {
    struct stat status {};
    ASSERT_EQ(::lstat((top_ + name).c_str(), &status), 0);
    EXPECT_TRUE(S_ISCHR(status.st_mode));
    EXPECT_EQ(status.st_rdev, ::makedev(0, 0));
  }
}

TEST_F(WorkspaceCaptureTest, UntouchedWorkspaceIsAnEmptyLayer) {
  WriteFile(top_ + "/upper/file", "x");
  ASSERT_TRUE(KeepWorkspace(*disk_).ok());
  EXPECT_TRUE(fs::is_empty(top_ + "/root"));
}

TEST_F(WorkspaceCaptureTest, WorkspaceThatIsNoDirectoryIsRefused) {
  fs::create_symlink("/etc", top_ + "/upper/workspace");
  EXPECT_EQ(ReasonOf(KeepWorkspace(*disk_)), "CONTENT_REFUSED");
  fs::remove(top_ + "/upper/workspace");
  ASSERT_EQ(::mknod((top_ + "/upper/workspace").c_str(), S_IFCHR, ::makedev(0, 0)), 0);
  EXPECT_EQ(ReasonOf(KeepWorkspace(*disk_)), "CONTENT_REFUSED") << "removed";
}

TEST_F(WorkspaceCaptureTest, ManyNamesElsewhereAreRemovedInParts) {
  const auto disk = NewDisk(64 * kMiB, 0);
  const std::string top = disk->mount_path();
  fs::create_directories(top + "/upper/workspace");
  fs::create_directories(top + "/upper/many/d");
  WriteFile(top + "/upper/many/0", "");
  for (int i = 1; i < 25'000; ++i) {
    const std::string name = top + "/upper/many/" + std::to_string(i);
    ASSERT_EQ(::link((top + "/upper/many/0").c_str(), name.c_str()), 0);
  }
  ASSERT_TRUE(KeepWorkspace(*disk).ok());
  EXPECT_FALSE(fs::exists(top + "/upper"));
}

TEST_F(WorkspaceCaptureTest, DepthIsNoDangerAndTooMuchOfItIsSaid) {
  fs::create_directories(top_ + "/upper/workspace/ok");
  MakeDeep(top_ + "/upper", 3000);
  ASSERT_TRUE(KeepWorkspace(*disk_).ok());
  EXPECT_FALSE(fs::exists(top_ + "/upper"));
  const auto other = NewDisk(64 * kMiB, 0);
  fs::create_directories(other->mount_path() + "/upper/workspace");
  MakeDeep(other->mount_path() + "/upper/workspace", 3000);
  EXPECT_EQ(ReasonOf(KeepWorkspace(*other)), "TREE_TOO_LARGE");
}

}  // namespace
}  // namespace glovebox
