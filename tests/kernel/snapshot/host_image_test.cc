#include "snapshot/host_image.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <string>

#include "gtest/gtest.h"
#include "linux/mount.h"
#include "tests/kernel/snapshot/state_directory.h"

namespace glovebox {
namespace {

class HostImageTest : public StateDirectoryTest {
 protected:
  std::unique_ptr<HostImage> Build() {
    auto image = HostImage::Build(directory_);
    if (!image.ok()) {
      ADD_FAILURE() << image.status();
      return nullptr;
    }
    return *std::move(image);
  }
};

TEST_F(HostImageTest, NoFileIsPrivateOfTheHostAndNoLinkLeadsOut) {
  const auto image = Build();
  ASSERT_NE(image, nullptr);
  const std::string root = image->Layers().layers[0].mount_path;
  int files = 0;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(root)) {
    const std::string path = entry.path().string().substr(root.size());
    struct stat status {};
    ASSERT_EQ(::lstat(entry.path().c_str(), &status), 0);
    EXPECT_TRUE(S_ISREG(status.st_mode) || S_ISDIR(status.st_mode) || S_ISLNK(status.st_mode))
        << path;
    if (S_ISLNK(status.st_mode)) {
      const auto target = std::filesystem::read_symlink(entry.path());
      const auto resolved =
          (std::filesystem::path(path).parent_path() / target).lexically_normal().string();
      EXPECT_TRUE(resolved.rfind("/usr/", 0) == 0 || resolved.rfind("/etc/", 0) == 0)
          << path << " -> " << target;
    }
    if (!S_ISREG(status.st_mode)) continue;
    ++files;
    EXPECT_EQ(status.st_uid, 0u) << path;
    EXPECT_EQ(status.st_mode & 07777u, 0644u) << path;
    EXPECT_EQ(status.st_nlink, 1u) << path << " may be the host's own file";
    struct stat source {};
    // A file that we did not write ourselves was readable by everybody on the host.
    if (::stat(path.c_str(), &source) == 0 && ReadFile(path) == ReadFile(entry.path())) {
      EXPECT_NE(source.st_mode & 0004u, 0u) << path;
    }
  }
  EXPECT_GT(files, 10);
  for (const char* absent :
       {"etc/shadow", "etc/gshadow", "etc/ssh", "etc/sudoers", "etc/machine-id", "etc/fstab",
        "etc/ssl/private", "workspace", "sys"}) {
    EXPECT_FALSE(std::filesystem::exists(root + "/" + absent)) << absent;
  }
}

TEST_F(HostImageTest, AccountsAreOursAndNotTheHosts) {
  const auto image = Build();
  ASSERT_NE(image, nullptr);
  const std::string root = image->Layers().layers[0].mount_path;
  EXPECT_EQ(ReadFile(root + "/etc/passwd"),
            "root:x:0:0:root:/root:/bin/bash\nagent:x:1000:1000::/home/agent:/bin/bash\n"
            "nobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin\n");
  EXPECT_EQ(ReadFile(root + "/etc/resolv.conf"), "");
  EXPECT_EQ(ReadFile(root + "/etc/hostname"), "sandbox\n");
  struct stat home {};
  ASSERT_EQ(::stat((root + "/home/agent").c_str(), &home), 0);
  EXPECT_EQ(home.st_uid, 1000u);
  struct stat tmp {};
  ASSERT_EQ(::stat((root + "/tmp").c_str(), &tmp), 0);
  EXPECT_EQ(tmp.st_mode & 07777u, 01777u);
}

TEST_F(HostImageTest, RootIsAReadOnlyMountThatCanBeCloned) {
  auto image = Build();
  ASSERT_NE(image, nullptr);
  const RootLayers layers = image->Layers();
  ASSERT_EQ(layers.layers.size(), 1u);
  EXPECT_EQ(layers.layers[0].disk, nullptr);
  ASSERT_EQ(layers.binds.size(), 1u);
  EXPECT_EQ(layers.binds[0].host_path, "/usr");
  const std::string root = layers.layers[0].mount_path;
  EXPECT_TRUE(CloneMount(root).ok());
  EXPECT_LT(::open((root + "/x").c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0600), 0);
  EXPECT_EQ(errno, EROFS);
  image.reset();
  EXPECT_EQ(ReadFile("/proc/self/mountinfo").find(directory_ + "/host-image"), std::string::npos);
}

TEST_F(HostImageTest, UnchangedHostKeepsItsGenerationAndDamageIsRepaired) {
  auto image = Build();
  const std::string digest = image->digest();
  const std::string root = image->Layers().layers[0].mount_path;
  struct stat before {};
  ASSERT_EQ(::stat(root.c_str(), &before), 0);
  image.reset();
  image = Build();
  struct stat after {};
  ASSERT_EQ(::stat(root.c_str(), &after), 0);
  EXPECT_EQ(before.st_ino, after.st_ino);
  EXPECT_EQ(image->digest(), digest);
  EXPECT_EQ(Count("host-image"), 1);
  image.reset();
  WriteFile(root + "/etc/passwd", "root::0:0:::\n");
  image = Build();
  EXPECT_EQ(image->digest(), digest);
  EXPECT_NE(ReadFile(root + "/etc/passwd"), "root::0:0:::\n");
}

TEST_F(HostImageTest, OldGenerationsAndStagedOnesAreRemoved) {
  std::filesystem::create_directories(directory_ + "/host-image/.staged-1/root");
  for (int i = 0; i < 8; ++i) {
    std::filesystem::create_directories(directory_ + "/host-image/old" + std::to_string(i));
  }
  const auto image = Build();
  EXPECT_EQ(Count("host-image"), HostImage::kGenerationsKept);
  EXPECT_FALSE(std::filesystem::exists(directory_ + "/host-image/.staged-1"));
}

}  // namespace
}  // namespace glovebox
