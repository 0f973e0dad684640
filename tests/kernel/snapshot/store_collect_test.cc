#include "snapshot/store_collect.h"

#include <atomic>
#include <filesystem>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"
#include "snapshot/store_check.h"
#include "tests/kernel/snapshot/store_test.h"

namespace glovebox {
namespace {

namespace fs = std::filesystem;

class StoreCollectTest : public StoreTest {
 protected:
  absl::StatusOr<SnapshotInfo> TryCommit(const std::string& content, const std::string& parent) {
    auto disk = NewDisk(16 * kMiB, 0);
    fs::create_directories(disk->mount_path() + "/root/workspace");
    WriteFile(disk->mount_path() + "/root/workspace/file", content);
    const SnapshotSource source{.source = "/srv/project",
                                .source_key = std::string(64, 'a'),
                                .commit = std::string(40, 'b'),
                                .tree = std::string(40, 'c'),
                                .branch = ""};
    return store_->Commit(std::move(disk), source, parent);
  }
  std::string Commit(const std::string& content, const std::string& parent = "") {
    const auto info = TryCommit(content, parent);
    EXPECT_TRUE(info.ok()) << info.status();
    return info.ok() ? info->digest : "";
  }
  std::vector<std::string> Collect(const CollectOptions& options) {
    const auto collected = CollectSnapshots(store_.get(), clock_.Now(), options);
    EXPECT_TRUE(collected.ok()) << collected.status();
    std::vector<std::string> removed;
    for (const SnapshotInfo& info : collected->removed) removed.push_back(info.digest);
    return removed;
  }
  static CollectOptions All() { return {{.bytes_max = 0}, absl::ZeroDuration()}; }
  StoreBudget AllBut(uint64_t snapshots) const {
    const StoreUse use = UseOf(store_->List());
    return {.bytes_max = use.bytes / store_->List().size() * snapshots};
  }
  void Use(const std::string& digest) { ASSERT_TRUE(store_->Lease(digest).ok()); }
};

TEST_F(StoreCollectTest, LeastRecentlyUsedGoesFirstAndNoMoreThanNeeded) {
  const std::string a = Commit("a");
  const std::string b = Commit("b");
  const std::string c = Commit("c");
  Use(a);
  Use(c);
  EXPECT_EQ(Collect({AllBut(2), absl::ZeroDuration()}), (std::vector<std::string>{b}));
  EXPECT_EQ(Collect({AllBut(2), absl::ZeroDuration()}), (std::vector<std::string>{}));
  Use(a);
  OpenStore();  // the times outlive the daemon
  EXPECT_EQ(Collect({AllBut(1), absl::ZeroDuration()}), (std::vector<std::string>{c}));
  EXPECT_TRUE(store_->Find(a).ok());
}

TEST_F(StoreCollectTest, FilesAreABudgetToo) {
  const std::string a = Commit("a");
  const std::string b = Commit("b");
  const uint64_t files = store_->Find(b)->inodes_used;
  EXPECT_EQ(Collect({{.inodes_max = files}, absl::ZeroDuration()}), (std::vector<std::string>{a}));
  EXPECT_EQ(Collect({{.inodes_max = files - 1}, absl::ZeroDuration()}),
            (std::vector<std::string>{b}));
}

TEST_F(StoreCollectTest, ChildrenGoBeforeParentsAndAUsedOneKeepsItsParents) {
  const std::string a = Commit("a");
  const std::string b = Commit("b", a);
  const std::string c = Commit("c", b);
  const std::string side = Commit("side", a);
  {
    const auto lease = store_->Lease(b);
    EXPECT_EQ(Collect(All()), (std::vector<std::string>{c, side}));
    EXPECT_EQ(Collect(All()), (std::vector<std::string>{}));
  }
  EXPECT_EQ(Collect(All()), (std::vector<std::string>{b, a}));
  EXPECT_EQ(Count("snapshots"), 0);
}

TEST_F(StoreCollectTest, WhatWasUsedLatelyAndWhatIsToBeKeptStay) {
  const std::string a = Commit("a");
  const std::string b = Commit("b");
  CollectOptions lately = All();
  lately.idle_min = absl::Hours(1);
  EXPECT_EQ(Collect(lately), (std::vector<std::string>{}));
  CollectOptions keep = All();
  keep.keep = a;
  EXPECT_EQ(Collect(keep), (std::vector<std::string>{b}));
}

TEST_F(StoreCollectTest, DryRunTellsWhatWouldGoAndRemovesNothing) {
  const std::string a = Commit("a");
  const std::string b = Commit("b", a);
  const std::string used = Commit("used");
  const auto lease = store_->Lease(used);
  CollectOptions dry = All();
  dry.dry_run = true;
  const std::vector<std::string> told = Collect(dry);
  EXPECT_EQ(told, (std::vector<std::string>{b, a}));
  EXPECT_EQ(store_->List().size(), 3u);
  EXPECT_EQ(Collect(All()), told);
}

// Whoever holds a lease finds every file of it, however often all that is unused is removed.
TEST_F(StoreCollectTest, CollectionInALoopNeverTakesWhatIsUsed) {
  std::atomic<bool> stop = false;
  std::atomic<int> collected = 0;
  std::thread collector([&] {
    while (!stop) {
      const auto result = CollectSnapshots(store_.get(), clock_.Now(), All());
      EXPECT_TRUE(result.ok()) << result.status();
      collected += static_cast<int>(result->removed.size());
    }
  });
  std::atomic<int> held = 0;
  std::vector<std::thread> users;
  for (int user = 0; user < 2; ++user) {
    users.emplace_back([&, user] {
      for (int i = 0; held < 12 || collected < 4; ++i) {
        const auto base = TryCommit(absl::StrCat("base ", user, " ", i), "");
        ASSERT_TRUE(base.ok()) << base.status();
        const auto base_lease = store_->Lease(base->digest);
        if (!base_lease.ok()) continue;  // it was unused for a moment
        const auto child = TryCommit(absl::StrCat("child ", user, " ", i), base->digest);
        ASSERT_TRUE(child.ok()) << child.status();
        const auto lease = store_->Lease(child->digest);
        if (!lease.ok()) {
          ASSERT_EQ(lease.status().code(), absl::StatusCode::kNotFound) << lease.status();
          continue;
        }
        ASSERT_EQ(lease->size(), 2u);
        ASSERT_EQ(ReadFile((*lease)[0].mount_path + "/root/workspace/file"),
                  absl::StrCat("child ", user, " ", i));
        ASSERT_TRUE(store_->Verify(child->digest).ok());
        ++held;
      }
    });
  }
  for (std::thread& user : users) user.join();
  stop = true;
  collector.join();
  EXPECT_GE(collected, 4);
  OpenStore();
  EXPECT_TRUE(store_->damaged().empty());
}

TEST_F(StoreCollectTest, CheckTellsOfEachEntryWhetherItIsWholeAndWhatToDo) {
  const std::string a = Commit(std::string(1 << 20, 'x'));
  const std::string b = Commit("b", a);
  const std::string c = Commit("c");
  const auto check = [&](bool content) {
    std::vector<EntryCheck> told;
    EXPECT_TRUE(CheckSnapshots(store_.get(), content, [&](const EntryCheck& entry) {
                  told.push_back(entry);
                  return absl::OkStatus();
                }).ok());
    return told;
  };
  for (const bool content : {false, true}) {
    const auto told = check(content);
    ASSERT_EQ(told.size(), 3u);
    for (const EntryCheck& entry : told) EXPECT_EQ(entry.problem, "") << entry.name;
  }
  store_.reset();
  const std::string image = directory_ + "/snapshots/" + a.substr(7) + "/disk.img";
  std::string bytes = ReadFile(image);
  bytes[bytes.find(std::string(4096, 'x'))] = 'y';
  WriteFile(image, bytes);
  fs::remove(directory_ + "/snapshots/" + c.substr(7) + "/record.json");
  OpenDisks();
  OpenStore();
  for (const bool content : {false, true}) {
    int damaged = 0;
    for (const EntryCheck& entry : check(content)) {
      const bool expected = entry.name == c.substr(7) || (content && entry.name == a);
      EXPECT_EQ(!entry.problem.empty(), expected) << entry.name << ": " << entry.problem;
      EXPECT_EQ(!entry.remedy.empty(), expected) << entry.name;
      damaged += entry.problem.empty() ? 0 : 1;
    }
    EXPECT_EQ(damaged, content ? 2 : 1);
  }
}

}  // namespace
}  // namespace glovebox
