#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <string>

#include "gtest/gtest.h"
#include "snapshot/image_import.h"
#include "snapshot/image_store.h"
#include "tests/kernel/snapshot/fake_worker.h"
#include "tests/kernel/snapshot/state_directory.h"

namespace glovebox {
namespace {

class ImageTest : public StateDirectoryTest {
 protected:
  ImageTest() : worker_(disks_.get()) {
    host_ = *HostImage::Build(directory_);
    OpenStore();
    limits_.disk_bytes = 64 * kMiB;
    limits_.disk_inodes = 0;
    const std::string tree = directory_ + "/tree";
    for (const char* name : {"usr/bin", "etc", "dev", "tmp"}) {
      std::filesystem::create_directories(tree + "/" + name);
    }
    WriteFile(tree + "/usr/bin/tool", "#!/bin/sh\n");
    ::chmod((tree + "/usr/bin/tool").c_str(), 04755);
    EXPECT_EQ(::chown((tree + "/usr/bin/tool").c_str(), 7, 8), 0);
    ::chmod((tree + "/usr/bin/tool").c_str(), 04755);
    WriteFile(tree + "/dev/thing", "x");
    Sh("tar -C " + tree + " -cf " + Archive("tar") + " .");
  }
  ~ImageTest() override {
    store_.reset();
    host_.reset();
  }

  void Sh(const std::string& command) { EXPECT_EQ(std::system(command.c_str()), 0) << command; }
  std::string Archive(const std::string& ending) const { return directory_ + "/root." + ending; }
  void OpenStore() {
    store_.reset();
    store_ = *ImageStore::Open(directory_, disks_.get(), host_.get(), &clock_);
  }
  absl::StatusOr<ImageInfo> Import(const std::string& name, const std::string& path) {
    return ImportImage(store_.get(), &worker_, limits_, {name, path});
  }

  std::unique_ptr<HostImage> host_;
  std::unique_ptr<ImageStore> store_;
  FakeWorker worker_;
  ImportLimits limits_;
};

TEST_F(ImageTest, ImportedArchiveIsAReadOnlyRootThatSurvivesReopening) {
  const auto info = Import("small", Archive("tar"));
  ASSERT_TRUE(info.ok()) << info.status();
  OpenStore();
  const auto root = store_->Lease("small");
  ASSERT_TRUE(root.ok()) << root.status();
  ASSERT_EQ(root->layers.size(), 1u);
  EXPECT_TRUE(root->binds.empty());
  EXPECT_FALSE(root->environment.empty());
  const std::string path = root->layers[0].mount_path + "/" + root->layers[0].subdirectory;
  struct stat tool {};
  ASSERT_EQ(::stat((path + "/usr/bin/tool").c_str(), &tool), 0);
  EXPECT_EQ(tool.st_uid, 7u);
  EXPECT_EQ(tool.st_gid, 8u);
  EXPECT_EQ(tool.st_mode & 07777u, 04755u);
  EXPECT_FALSE(std::filesystem::exists(path + "/dev/thing"));
  for (const char* name : {"proc", "mnt", "home/agent", "var", "run"}) {
    EXPECT_TRUE(std::filesystem::is_directory(path + "/" + name)) << name;
  }
  EXPECT_EQ(ReadFile(path + "/etc/passwd"), "agent:x:1000:1000::/home/agent:/bin/sh\n");
  struct stat home {};
  ASSERT_EQ(::stat((path + "/home/agent").c_str(), &home), 0);
  EXPECT_EQ(home.st_uid, 1000u);
}

TEST_F(ImageTest, EveryCompressionGivesTheSameImage) {
  Sh("gzip -k " + Archive("tar") + " && xz -k " + Archive("tar") + " && zstd -q " + Archive("tar"));
  const auto plain = Import("plain", Archive("tar"));
  ASSERT_TRUE(plain.ok()) << plain.status();
  for (const char* ending : {"gz", "xz", "zst"}) {
    const auto other = Import(ending, Archive(std::string("tar.") + ending));
    ASSERT_TRUE(other.ok()) << other.status();
    EXPECT_EQ(other->digest, plain->digest) << ending;
  }
  EXPECT_EQ(store_->List().size(), 5u);
}

TEST_F(ImageTest, HostIsAlwaysThereAndStays) {
  ASSERT_EQ(store_->List().size(), 1u);
  EXPECT_TRUE(store_->List()[0].built_in);
  EXPECT_TRUE(store_->Lease("host").ok());
  EXPECT_EQ(ReasonOf(store_->Delete("host")), "IMAGE_NAME_RESERVED");
  EXPECT_EQ(ReasonOf(Import("host", Archive("tar")).status()), "IMAGE_EXISTS");
}

TEST_F(ImageTest, LeasedImageIsNotDeleted) {
  ASSERT_TRUE(Import("small", Archive("tar")).ok());
  EXPECT_EQ(ReasonOf(Import("small", Archive("tar")).status()), "IMAGE_EXISTS");
  {
    const auto root = store_->Lease("small");
    EXPECT_EQ(ReasonOf(store_->Delete("small")), "IMAGE_IN_USE");
  }
  EXPECT_TRUE(store_->Delete("small").ok());
  EXPECT_EQ(ReasonOf(store_->Delete("small")), "IMAGE_NOT_FOUND");
  EXPECT_EQ(ReasonOf(store_->Lease("small").status()), "IMAGE_NOT_FOUND");
  EXPECT_EQ(Count("images"), 0);
}

TEST_F(ImageTest, BadArchivesHaveTheirReasons) {
  EXPECT_EQ(ReasonOf(Import("x", directory_ + "/absent").status()), "ARCHIVE_NOT_FOUND");
  EXPECT_EQ(ReasonOf(Import("x", directory_).status()), "PATH_INVALID");
  WriteFile(directory_ + "/text", "not a tar");
  EXPECT_EQ(ReasonOf(Import("x", directory_ + "/text").status()), "ARCHIVE_INVALID");
  Sh("tar -C " + directory_ + " -cf " + Archive("other") + " text");
  EXPECT_EQ(ReasonOf(Import("x", Archive("other")).status()), "ARCHIVE_INVALID");
  Sh("head -c 700 " + Archive("tar") + " >" + Archive("cut"));
  EXPECT_EQ(ReasonOf(Import("x", Archive("cut")).status()), "ARCHIVE_INVALID");
  EXPECT_EQ(Import("../x", Archive("tar")).status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(Count("images"), 0);
}

TEST_F(ImageTest, ArchiveThatDoesNotFitIsTooLarge) {
  Sh("head -c 100000000 /dev/zero >" + directory_ + "/tree/usr/big && tar -C " + directory_ +
     "/tree -cf " + Archive("big") + " .");
  EXPECT_EQ(ReasonOf(Import("x", Archive("big")).status()), "IMPORT_TOO_LARGE");
  EXPECT_EQ(Count("images"), 0);
}

TEST_F(ImageTest, BombsOfCompressionAndOfCountAreTooLarge) {
  Sh("head -c 200000000 /dev/zero >" + directory_ + "/tree/usr/zeros && tar -C " + directory_ +
     "/tree -czf " + Archive("ratio") + " . && rm " + directory_ + "/tree/usr/zeros");
  ASSERT_LT(std::filesystem::file_size(Archive("ratio")), 1u << 20);
  EXPECT_EQ(ReasonOf(Import("x", Archive("ratio")).status()), "IMPORT_TOO_LARGE");
  Sh("mkdir " + directory_ + "/tree/usr/many && cd " + directory_ +
     "/tree/usr/many && seq 3000 | xargs touch && tar -C " + directory_ + "/tree -czf " +
     Archive("count") + " .");
  limits_.disk_inodes = 1000;
  EXPECT_EQ(ReasonOf(Import("x", Archive("count")).status()), "IMPORT_TOO_LARGE");
  limits_.disk_inodes = 8000;
  EXPECT_TRUE(Import("x", Archive("count")).ok()) << "the control";
}

}  // namespace
}  // namespace glovebox
