#include "snapshot/snapshot_store.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <filesystem>
#include <string>

#include "gtest/gtest.h"
#include "tests/kernel/snapshot/store_test.h"

namespace glovebox {
namespace {

class SnapshotStoreTest : public StoreTest {
 protected:
  std::unique_ptr<Disk> DiskWith(const std::string& content) {
    auto disk = NewDisk(32 * kMiB, 0);
    const std::string root = disk->mount_path() + "/root/workspace";
    std::filesystem::create_directories(root + "/.git");
    WriteFile(root + "/file", content);
    return disk;
  }
  static SnapshotSource Source(char commit) {
    return {.source = "/srv/project",
            .source_key = std::string(64, 'a'),
            .commit = std::string(40, commit),
            .tree = std::string(40, 'c'),
            .branch = ""};
  }
  SnapshotInfo Commit(const std::string& content, char commit = 'b') {
    auto info = store_->Commit(DiskWith(content), Source(commit));
    if (!info.ok()) {
      ADD_FAILURE() << info.status();
      return {};
    }
    return *info;
  }
};

TEST_F(SnapshotStoreTest, CommittedSnapshotIsFoundLeasedAndThereAfterReopening) {
  const SnapshotInfo info = Commit("one");
  for (int round = 0; round < 2; ++round) {
    ASSERT_TRUE(store_->Find(info.digest).ok());
    EXPECT_TRUE(store_->damaged().empty());
    ASSERT_TRUE(store_->FindBySource(info.source_key, info.commit, "").has_value());
    EXPECT_FALSE(store_->FindBySource(info.source_key, info.commit, "main").has_value());
    EXPECT_FALSE(store_->FindBySource(std::string(64, 'f'), info.commit, "").has_value());
    const auto layers = store_->Lease(info.digest);
    ASSERT_TRUE(layers.ok()) << layers.status();
    ASSERT_EQ(layers->size(), 1u);
    const Layer& layer = layers->front();
    EXPECT_EQ(ReadFile(layer.mount_path + "/" + layer.subdirectory + "/workspace/file"), "one");
    EXPECT_TRUE(store_->Verify(info.digest).ok());
    if (round == 0) OpenStore();
  }
}

TEST_F(SnapshotStoreTest, SameContentOfSameSourceIsKeptOnce) {
  const SnapshotInfo one = Commit("same");
  const SnapshotInfo two = Commit("same");
  EXPECT_EQ(one.digest, two.digest);
  EXPECT_EQ(Count("snapshots"), 1);
  EXPECT_NE(Commit("other").digest, one.digest);
  EXPECT_NE(Commit("same", 'e').digest, one.digest);
  EXPECT_EQ(store_->List().size(), 3u);
}

TEST_F(SnapshotStoreTest, LeasesShareOneMountAndForbidDeletion) {
  const SnapshotInfo info = Commit("one");
  {
    const auto first = store_->Lease(info.digest);
    const auto second = store_->Lease(info.digest);
    ASSERT_TRUE(first.ok() && second.ok());
    EXPECT_EQ(first->front().mount_path, second->front().mount_path);
    EXPECT_EQ(ReasonOf(store_->Delete(info.digest)), "SNAPSHOT_IN_USE");
    EXPECT_EQ(store_->Delete(info.digest).code(), absl::StatusCode::kFailedPrecondition);
  }
  EXPECT_TRUE(store_->Delete(info.digest).ok());
  EXPECT_EQ(Count("snapshots"), 0);
  EXPECT_EQ(ReasonOf(store_->Find(info.digest).status()), "SNAPSHOT_NOT_FOUND");
  EXPECT_EQ(ReasonOf(store_->Lease(info.digest).status()), "SNAPSHOT_NOT_FOUND");
  EXPECT_EQ(ReasonOf(store_->Delete(info.digest)), "SNAPSHOT_NOT_FOUND");
  EXPECT_EQ(store_->Find("sha256:xyz").status().code(), absl::StatusCode::kInvalidArgument);
}

TEST_F(SnapshotStoreTest, LeaseOutlivesTheStore) {
  const SnapshotInfo info = Commit("one");
  const auto layers = store_->Lease(info.digest);
  store_.reset();
  EXPECT_EQ(ReadFile(layers->front().mount_path + "/root/workspace/file"), "one");
}

TEST_F(SnapshotStoreTest, IdleMountsAreBounded) {
  for (size_t i = 0; i < SnapshotStore::kIdleMountsMax + 4; ++i) Commit(std::to_string(i));
  store_.reset();  // drops what is left; only then the count is exact
  OpenDisks();
  OpenStore();
  for (const SnapshotInfo& info : store_->List()) ASSERT_TRUE(store_->Lease(info.digest).ok());
  disks_->WaitForRemovals();
  EXPECT_EQ(Count("disks/mounts"), static_cast<int>(SnapshotStore::kIdleMountsMax));
}

TEST_F(SnapshotStoreTest, WhatACrashLeavesIsRemovedAndTheRestIsKept) {
  const SnapshotInfo info = Commit("one");
  std::filesystem::create_directory(directory_ + "/snapshots/.staged-1");
  WriteFile(directory_ + "/snapshots/.staged-1/disk.img", "half");
  std::filesystem::create_directory(directory_ + "/snapshots/.deleted-1");
  WriteFile(directory_ + "/snapshots/.deleted-1/record.json", "{}");
  OpenStore();
  EXPECT_EQ(Count("snapshots"), 1);
  EXPECT_TRUE(store_->Lease(info.digest).ok());
  EXPECT_TRUE(store_->damaged().empty());
}

TEST_F(SnapshotStoreTest, DamagedEntriesAreReportedAndNotServed) {
  const SnapshotInfo truncated = Commit("truncated");
  const SnapshotInfo renamed = Commit("renamed");
  const SnapshotInfo garbled = Commit("garbled");
  const SnapshotInfo linked = Commit("linked");
  const SnapshotInfo good = Commit("good");
  store_.reset();
  ASSERT_EQ(::truncate((PathOf(truncated) + "/disk.img").c_str(), 4096), 0);
  std::filesystem::rename(PathOf(renamed), directory_ + "/snapshots/" + std::string(64, '0'));
  std::filesystem::permissions(PathOf(garbled) + "/record.json", std::filesystem::perms::all);
  WriteFile(PathOf(garbled) + "/record.json", "{\"digest\": \"\\u001b[2J\"}");
  std::filesystem::remove(PathOf(linked) + "/disk.img");
  std::filesystem::create_symlink("/etc/shadow", PathOf(linked) + "/disk.img");
  WriteFile(directory_ + "/snapshots/a file", "x");
  OpenStore();
  EXPECT_EQ(store_->damaged().size(), 5u);
  ASSERT_EQ(store_->List().size(), 1u);
  EXPECT_EQ(store_->List()[0].digest, good.digest);
}

TEST_F(SnapshotStoreTest, ImageThatShrinksAfterOpenIsNotLeased) {
  const SnapshotInfo info = Commit("one");
  OpenStore();  // nothing attached
  ASSERT_EQ(::truncate((PathOf(info) + "/disk.img").c_str(), 4096), 0);
  EXPECT_EQ(store_->Lease(info.digest).status().code(), absl::StatusCode::kDataLoss);
}

TEST_F(SnapshotStoreTest, VerifyFindsChangedBytes) {
  const std::string content(1 << 20, 'x');
  const SnapshotInfo info = Commit(content);
  store_.reset();
  // Rot: one run of the file's bytes changes in the image, below the file system.
  const std::string image = PathOf(info) + "/disk.img";
  std::string bytes = ReadFile(image);
  const size_t at = bytes.find(std::string(4096, 'x'));
  ASSERT_NE(at, std::string::npos);
  const int fd = ::open(image.c_str(), O_WRONLY | O_CLOEXEC);
  ASSERT_EQ(::pwrite(fd, "y", 1, static_cast<off_t>(at)), 1);
  ::close(fd);
  OpenDisks();
  OpenStore();
  EXPECT_TRUE(store_->Lease(info.digest).ok()) << "a lease does not read content";
  EXPECT_EQ(ReasonOf(store_->Verify(info.digest)), "SNAPSHOT_DAMAGED");
}

TEST_F(SnapshotStoreTest, DeviceInTheTreeIsRefusedAndLeavesNothing) {
  auto disk = DiskWith("x");
  ASSERT_EQ(::mknodat(disk->root_fd(), "root/workspace/.git/sda", S_IFBLK | 0666, ::makedev(8, 0)),
            0);
  const absl::Status status = store_->Commit(std::move(disk), Source('b')).status();
  EXPECT_EQ(ReasonOf(status), "CONTENT_REFUSED");
  EXPECT_EQ(Count("snapshots"), 0);
  EXPECT_TRUE(store_->List().empty());
}

TEST_F(SnapshotStoreTest, SourceThatCannotBeRecordedIsRefused) {
  SnapshotSource source = Source('b');
  source.branch = "bad\nbranch";
  EXPECT_FALSE(store_->Commit(DiskWith("x"), source).ok());
  EXPECT_EQ(Count("snapshots"), 0);
}

}  // namespace
}  // namespace glovebox
