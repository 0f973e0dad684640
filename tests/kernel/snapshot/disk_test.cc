#include "snapshot/disk.h"

#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <filesystem>
#include <iostream>
#include <string>
#include <thread>
#include <vector>

#include "base/unique_fd.h"
#include "gtest/gtest.h"
#include "linux/mount.h"
#include "tests/kernel/snapshot/state_directory.h"

namespace glovebox {
namespace {

using DiskTest = StateDirectoryTest;

// Writes until it fails; returns the bytes written and leaves the errno.
uint64_t FillFile(int fd) {
  const std::string block(64 * 1024, 'x');
  uint64_t total = 0;
  for (;;) {
    const ssize_t count = ::write(fd, block.data(), block.size());
    if (count <= 0) return total;
    total += static_cast<uint64_t>(count);
  }
}

TEST_F(DiskTest, BlankDiskHasUpperWorkAndSpareRoomAndNothingElse) {
  const auto disk = NewDisk(64 * kMiB, 0);
  ASSERT_NE(disk, nullptr);
  std::vector<std::string> names;
  for (const auto& entry : std::filesystem::directory_iterator(disk->mount_path())) {
    names.push_back(entry.path().filename());
  }
  std::sort(names.begin(), names.end());
  EXPECT_EQ(names, (std::vector<std::string>{"spare", "upper", "work"}));
  struct stat status {};
  ASSERT_EQ(::fstatat(disk->root_fd(), "upper", &status, 0), 0);
  EXPECT_EQ(status.st_mode, S_IFDIR | 0755u);
  EXPECT_EQ(status.st_uid, 0u);
}

// As a process that is started meanwhile does: a copy of every mount, for a while.
TEST_F(DiskTest, BlankDisksAreWholeWhileOthersMakeMountNamespaces) {
  std::atomic<bool> ended = false;
  std::vector<std::thread> starters;
  for (int i = 0; i < 16; ++i) {
    starters.emplace_back([&ended] {
      while (!ended) {
        std::thread([] {
          ASSERT_EQ(::unshare(CLONE_NEWNS), 0);
          std::this_thread::sleep_for(std::chrono::milliseconds(3));
        }).join();
      }
    });
  }
  for (uint64_t i = 0; i < 30; ++i) {
    const auto disk = NewDisk((16 + i) * kMiB, 0);  // a size that has no template yet
    ASSERT_NE(disk, nullptr);
    struct stat status {};
    EXPECT_EQ(::fstatat(disk->root_fd(), "upper", &status, 0), 0) << i;
    EXPECT_EQ(::fstatat(disk->root_fd(), "spare/3", &status, 0), 0) << i;
  }
  ended = true;
  for (std::thread& starter : starters) starter.join();
}

TEST_F(DiskTest, ByteLimitHoldsForDeletedOpenFiles) {
  const auto disk = NewDisk(32 * kMiB, 0);
  ASSERT_NE(disk, nullptr);
  const UniqueFd deleted(::openat(disk->root_fd(), "upper/x", O_RDWR | O_CREAT | O_CLOEXEC, 0600));
  ASSERT_EQ(::unlinkat(disk->root_fd(), "upper/x", 0), 0);
  const uint64_t written = FillFile(deleted.get());
  EXPECT_EQ(errno, ENOSPC);
  EXPECT_LE(written, 32 * kMiB);
  EXPECT_GE(written, 24 * kMiB);
  const auto usage = disk->Usage();
  ASSERT_TRUE(usage.ok());
  EXPECT_LE(usage->bytes_used, usage->bytes_limit);
  EXPECT_GT(usage->bytes_used + 64 * 1024, usage->bytes_limit);
  const UniqueFd other(::openat(disk->root_fd(), "upper/y", O_RDWR | O_CREAT | O_CLOEXEC, 0600));
  ASSERT_TRUE(other.valid());
  EXPECT_EQ(FillFile(other.get()), 0u);
  EXPECT_EQ(errno, ENOSPC);
}

TEST_F(DiskTest, InodeLimitHolds) {
  const auto disk = NewDisk(32 * kMiB, 256);
  ASSERT_NE(disk, nullptr);
  const auto usage = disk->Usage();
  ASSERT_TRUE(usage.ok());
  EXPECT_GE(usage->inodes_limit, 256u);
  EXPECT_LT(usage->inodes_limit, 512u);
  const uint64_t free_inodes = usage->inodes_limit - usage->inodes_used;
  uint64_t made = 0;
  while (::symlinkat("x", disk->root_fd(), ("upper/" + std::to_string(made)).c_str()) == 0) ++made;
  EXPECT_EQ(errno, ENOSPC);
  EXPECT_EQ(made, free_inodes);
}

TEST_F(DiskTest, SparseFileCountsOnlyWhatItHolds) {
  const auto disk = NewDisk(32 * kMiB, 0);
  const uint64_t before = disk->Usage()->bytes_used;
  const UniqueFd fd(::openat(disk->root_fd(), "upper/s", O_RDWR | O_CREAT | O_CLOEXEC, 0600));
  ASSERT_EQ(::ftruncate(fd.get(), int64_t{1} << 40), 0);
  EXPECT_EQ(disk->Usage()->bytes_used, before);
}

TEST_F(DiskTest, ImpossibleSizesAreRefused) {
  EXPECT_EQ(ReasonOf(disks_->Create(0, 0).status()), "DISK_SIZE_INVALID");
  EXPECT_EQ(ReasonOf(disks_->Create(DiskFactory::kBytesMin - 1, 0).status()), "DISK_SIZE_INVALID");
  EXPECT_EQ(ReasonOf(disks_->Create(~uint64_t{0}, 0).status()), "DISK_SIZE_INVALID");
  EXPECT_EQ(ReasonOf(disks_->Create(32 * kMiB, 32 * kMiB).status()), "DISK_SIZE_INVALID");
  EXPECT_EQ(ReasonOf(disks_->Create(32 * kMiB, ~uint64_t{0}).status()), "DISK_SIZE_INVALID");
  EXPECT_TRUE(disks_->Create(DiskFactory::kBytesMin, 0).ok());
}

TEST_F(DiskTest, DestroyedDiskLeavesNothing) {
  {
    const auto one = NewDisk(32 * kMiB, 0);
    const auto two = NewDisk(32 * kMiB, 0);
    WriteFile(one->mount_path() + "/upper/f", "x");
    EXPECT_EQ(Count("disks/images"), 2);
    EXPECT_EQ(Count("disks/mounts"), 2);
  }
  disks_.reset();  // waits for the removals
  EXPECT_EQ(Count("disks/images"), 0);
  EXPECT_EQ(Count("disks/mounts"), 0);
  EXPECT_EQ(ReadFile("/proc/self/mountinfo").find(directory_), std::string::npos);
}

TEST_F(DiskTest, SealedDiskIsReadOnlyAndKeepsItsContent) {
  auto disk = NewDisk(32 * kMiB, 0);
  WriteFile(disk->mount_path() + "/upper/f", "content");
  const std::string sealed = directory_ + "/sealed.img";
  const absl::Status status = std::move(*disk).SealInto(sealed);
  ASSERT_TRUE(status.ok()) << status;
  disk.reset();
  for (int i = 0; i < 2; ++i) {
    const auto opened = disks_->OpenSealed(sealed);
    ASSERT_TRUE(opened.ok()) << opened.status();
    EXPECT_EQ(ReadFile((*opened)->mount_path() + "/upper/f"), "content");
    EXPECT_LT(::openat((*opened)->root_fd(), "upper/f", O_WRONLY | O_CLOEXEC), 0);
    EXPECT_EQ(errno, EROFS);
    EXPECT_NE(::mount(nullptr, (*opened)->mount_path().c_str(), nullptr, MS_REMOUNT, nullptr), 0)
        << "a sealed disk was made writable again";
  }
  disks_.reset();
  EXPECT_TRUE(std::filesystem::exists(sealed));
  EXPECT_EQ(Count("disks/images"), 0);
  EXPECT_EQ(Count("disks/mounts"), 0);
}

TEST_F(DiskTest, DiskThatIsStillWrittenToIsNotSealed) {
  auto disk = NewDisk(32 * kMiB, 0);
  const auto clone = CloneMount(disk->mount_path());  // as a sandbox holds it
  ASSERT_TRUE(clone.ok());
  UniqueFd writer(::openat(clone->get(), "upper/f", O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
  ASSERT_TRUE(writer.valid());
  EXPECT_EQ(ReasonOf(std::move(*disk).SealInto(directory_ + "/sealed.img")), "DISK_BUSY");
  writer.Reset();
  ASSERT_TRUE(std::move(*disk).SealInto(directory_ + "/sealed.img").ok());
  EXPECT_LT(::openat(clone->get(), "upper/g", O_WRONLY | O_CREAT | O_CLOEXEC, 0600), 0);
  EXPECT_EQ(errno, EROFS);
}

TEST_F(DiskTest, LeftoversOfADeadProcessAreRemovedAtOpen) {
  disks_.reset();
  WriteFile(directory_ + "/disks/images/old.img", "x");
  WriteFile(directory_ + "/disks/templates/1-1.img.staged", "x");
  std::filesystem::create_directory(directory_ + "/disks/mounts/old");
  OpenDisks();
  EXPECT_EQ(Count("disks/images"), 0);
  EXPECT_EQ(Count("disks/templates"), 0);
  EXPECT_EQ(Count("disks/mounts"), 0);
  EXPECT_NE(NewDisk(32 * kMiB, 0), nullptr);
}

TEST_F(DiskTest, StockIsFilledTakenAndDropped) {
  disks_->KeepInStock(32 * kMiB, 0, 3);
  // The stock has no event; ctest's time limit ends these loops.
  while (disks_->in_stock() != 3) std::this_thread::yield();
  auto disk = NewDisk(32 * kMiB, 0);
  ASSERT_NE(disk, nullptr);
  while (disks_->in_stock() != 3) std::this_thread::yield();
  EXPECT_NE(NewDisk(64 * kMiB, 0), nullptr) << "another size is made, not taken";
  EXPECT_EQ(disks_->in_stock(), 3);
  disk.reset();
  disks_->KeepInStock(32 * kMiB, 0, 0);
  EXPECT_EQ(disks_->in_stock(), 0);
  while (Count("disks/mounts") != 0) std::this_thread::yield();
}

TEST_F(DiskTest, ManyThreadsGetDisksOfTheirOwn) {
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&, t] {
      for (int i = 0; i < 10; ++i) {
        const auto disk = disks_->Create(32 * kMiB, 0);
        ASSERT_TRUE(disk.ok()) << disk.status();
        const std::string path = (*disk)->mount_path() + "/upper/who";
        EXPECT_FALSE(std::filesystem::exists(path));
        WriteFile(path, std::to_string(t));
        EXPECT_EQ(ReadFile(path), std::to_string(t));
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
}

double MedianMs(const std::vector<double>& sorted) { return sorted[sorted.size() / 2]; }

// Recorded, not judged: the machine's load decides.
TEST_F(DiskTest, TimesOfCreateAndDestroyAreReported) {
  using Clock = std::chrono::steady_clock;
  const auto measure = [&](const char* name, bool stocked) {
    std::vector<double> create, destroy;
    for (int i = 0; i < 30; ++i) {
      if (stocked) {
        while (disks_->in_stock() < 4) std::this_thread::yield();
      }
      const auto begin = Clock::now();
      auto disk = NewDisk(1024 * kMiB, 0);
      const auto made = Clock::now();
      ASSERT_NE(disk, nullptr);
      disk.reset();
      const auto gone = Clock::now();
      create.push_back(std::chrono::duration<double, std::milli>(made - begin).count());
      destroy.push_back(std::chrono::duration<double, std::milli>(gone - made).count());
    }
    std::sort(create.begin(), create.end());
    std::sort(destroy.begin(), destroy.end());
    RecordProperty(std::string(name) + "_create_us", int(1000 * MedianMs(create)));
    std::cout << name << ": create " << MedianMs(create) << " ms, destroy " << MedianMs(destroy)
              << " ms\n";
  };
  (void)NewDisk(1024 * kMiB, 0);  // makes the template
  measure("cold", false);
  disks_->KeepInStock(1024 * kMiB, 0, 4);
  measure("stock", true);
}

}  // namespace
}  // namespace glovebox
