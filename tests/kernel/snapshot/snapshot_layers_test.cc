// Snapshots that are kept as a difference to others, over real overlays.
#include <fcntl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <filesystem>
#include <random>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "gtest/gtest.h"
#include "linux/file_io.h"
#include "snapshot/snapshot_store.h"
#include "snapshot/tree_digest.h"
#include "tests/kernel/snapshot/store_test.h"

namespace glovebox {
namespace {

namespace fs = std::filesystem;

// Does anything anywhere in a small space of names, so that it often meets what was there.
class RandomEdits {
 public:
  RandomEdits(unsigned seed, std::string root) : random_(seed), root_(std::move(root)) {}

  void Run(int steps) {
    while (steps-- > 0) Step();
  }

 private:
  void Step() {
    const std::string path = RandomPath();
    std::error_code ignored;  // an operation that does not fit what is there is a valid no-op
    const unsigned what = Pick(9);
    if (what >= 2 && what <= 5) fs::remove_all(path, ignored);
    switch (what) {
      case 0:
      case 1:
      case 2:
        fs::create_directories(fs::path(path).parent_path(), ignored);
        if (fs::symlink_status(path, ignored).type() == fs::file_type::fifo) return;
        return WriteFile(path, absl::StrCat("content ", Pick(5)));
      case 3:
        fs::create_directories(path, ignored);
        return;
      case 4:
        fs::create_symlink(absl::StrCat("target", Pick(3)), path, ignored);
        return;
      case 5:
        return;
      case 6:
        if (!fs::is_symlink(path, ignored)) (void)::chmod(path.c_str(), Pick(2) == 0 ? 0700 : 0755);
        return;
      case 7:
        (void)::rename(path.c_str(), RandomPath().c_str());
        return;
      default:
        (void)::mkfifo(path.c_str(), 0644);
        return;
    }
  }
  unsigned Pick(unsigned below) {
    return std::uniform_int_distribution<unsigned>(0, below - 1)(random_);
  }
  std::string RandomPath() {
    static const char* const kNames[] = {"a", "a.b", "a-", "d\n", "\xff"};
    std::string path = root_;
    for (unsigned depth = 1 + Pick(4); depth > 0; --depth)
      absl::StrAppend(&path, "/", kNames[Pick(5)]);
    return path;
  }

  std::mt19937 random_;
  const std::string root_;
};

class SnapshotLayersTest : public StoreTest {
 protected:
  SnapshotLayersTest() { fs::create_directory(directory_ + "/merged"); }

  void OpenStore() {
    lease_.clear();
    StoreTest::OpenStore();
  }
  // An overlay of all layers of the snapshot, without an upper unless one is given.
  std::string Mount(const std::string& digest, const std::string& disk_path = "") {
    auto layers = store_->Lease(digest);
    EXPECT_TRUE(layers.ok()) << layers.status();
    lease_ = *std::move(layers);
    std::vector<std::string> lowers;
    for (const Layer& layer : lease_) {
      lowers.push_back(absl::StrCat(layer.mount_path, "/", layer.subdirectory));
    }
    if (disk_path.empty()) lowers.push_back(directory_ + "/merged");  // one alone is refused
    std::string options = "userxattr,lowerdir=" + absl::StrJoin(lowers, ":");
    if (!disk_path.empty()) {
      absl::StrAppend(&options, ",upperdir=", disk_path, "/root,workdir=", disk_path, "/work");
    }
    const std::string merged = directory_ + "/merged";
    EXPECT_EQ(::mount("overlay", merged.c_str(), "overlay", 0, options.c_str()), 0) << options;
    return merged;
  }
  void Unmount() { EXPECT_EQ(::umount2((directory_ + "/merged").c_str(), 0), 0); }

  SnapshotSource NextSource() {
    return {.source = "/srv/project",
            .source_key = std::string(64, 'a'),
            .commit = absl::StrCat(std::string(36, 'b'), 1000 + sources_++),
            .tree = std::string(40, 'c'),
            .branch = ""};
  }
  absl::StatusOr<SnapshotInfo> TryCommit(const std::string& parent,
                                         const std::function<void(const std::string&)>& edit) {
    auto disk = NewDisk(32 * kMiB, 0);
    fs::create_directory(disk->mount_path() + "/root");
    edit(parent.empty() ? disk->mount_path() + "/root" : Mount(parent, disk->mount_path()));
    if (!parent.empty()) Unmount();
    return store_->Commit(std::move(disk), NextSource(), parent);
  }
  SnapshotInfo Commit(const std::string& parent,
                      const std::function<void(const std::string&)>& edit) {
    auto info = TryCommit(parent, edit);
    EXPECT_TRUE(info.ok()) << info.status();
    return info.ok() ? *std::move(info) : SnapshotInfo{};
  }
  // The oracle: the digest of what overlayfs shows.
  std::string DigestOfMerged(const std::string& digest) {
    const std::string merged = Mount(digest);
    std::string result;
    {
      const auto root = OpenAt(AT_FDCWD, merged, O_RDONLY | O_DIRECTORY);
      const auto tree = DigestTree(root->get(), {.left_out = {"workspace/.git"}});
      EXPECT_TRUE(tree.ok()) << tree.status();
      result = tree.value_or("");
    }
    Unmount();
    return result;
  }

  std::vector<Layer> lease_;
  int sources_ = 0;
};

TEST_F(SnapshotLayersTest, DigestByManifestsIsThatOfTheTreeThatOverlayfsShows) {
  const unsigned seed = std::random_device{}();
  for (unsigned round = 0; round < 3; ++round) {
    SCOPED_TRACE(absl::StrCat("seed ", seed, " round ", round));
    std::string digest;
    for (unsigned layer = 0; layer < SnapshotStore::kLayersMax; ++layer) {
      const SnapshotInfo info = Commit(digest, [&](const std::string& root) {
        fs::create_directories(root + "/workspace/.git");
        WriteFile(root + "/workspace/.git/pack", absl::StrCat(layer));
        RandomEdits(seed + 100 * round + layer, root + "/workspace").Run(layer == 0 ? 120 : 25);
      });
      ASSERT_EQ(info.parent, digest);
      ASSERT_EQ(info.layers, layer + 1);
      digest = info.digest;
      ASSERT_EQ(DigestOfMerged(digest), info.content_digest) << "layer " << layer;
    }
    EXPECT_TRUE(store_->Verify(digest).ok()) << store_->Verify(digest);
  }
}

TEST_F(SnapshotLayersTest, LeaseHasAllLayersUppermostFirstAfterReopeningToo) {
  const SnapshotInfo a = Commit("", [](const std::string& root) { WriteFile(root + "/f", "a"); });
  const SnapshotInfo b =
      Commit(a.digest, [](const std::string& root) { WriteFile(root + "/f", "b"); });
  OpenStore();
  EXPECT_TRUE(store_->damaged().empty());
  EXPECT_EQ(store_->Find(b.digest)->parent, a.digest);
  EXPECT_EQ(store_->Find(b.digest)->layers, 2u);
  const auto layers = store_->Lease(b.digest);
  ASSERT_TRUE(layers.ok()) << layers.status();
  ASSERT_EQ(layers->size(), 2u);
  EXPECT_EQ(ReadFile((*layers)[0].mount_path + "/root/f"), "b");
  EXPECT_EQ(ReadFile((*layers)[1].mount_path + "/root/f"), "a");
}

TEST_F(SnapshotLayersTest, TreeHasOneDigestHoweverItIsKept) {
  const SnapshotInfo a = Commit("", [](const std::string& root) {
    fs::create_directory(root + "/d");
    WriteFile(root + "/d/f", "a");
  });
  const SnapshotInfo delta = Commit(a.digest, [](const std::string& root) {
    fs::remove_all(root + "/d");
    WriteFile(root + "/d", "file");
  });
  const SnapshotInfo whole =
      Commit("", [](const std::string& root) { WriteFile(root + "/d", "file"); });
  EXPECT_EQ(delta.content_digest, whole.content_digest);
  EXPECT_NE(delta.content_digest, a.content_digest);
}

TEST_F(SnapshotLayersTest, ParentOfASnapshotCannotBeDeleted) {
  const SnapshotInfo a = Commit("", [](const std::string& root) { WriteFile(root + "/f", "a"); });
  const SnapshotInfo b =
      Commit(a.digest, [](const std::string& root) { WriteFile(root + "/f", "b"); });
  lease_.clear();
  const absl::Status refused = store_->Delete(a.digest);
  EXPECT_EQ(refused.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(ReasonOf(refused), "SNAPSHOT_IN_USE");
  EXPECT_EQ(GetErrorDetail(refused)->metadata.at("snapshots"), b.digest);
  {
    const auto lease = store_->Lease(b.digest);
    EXPECT_EQ(ReasonOf(store_->Delete(b.digest)), "SNAPSHOT_IN_USE");
  }
  EXPECT_TRUE(store_->Delete(b.digest).ok());
  EXPECT_TRUE(store_->Delete(a.digest).ok());
  EXPECT_EQ(Count("snapshots"), 0);
}

TEST_F(SnapshotLayersTest, NoSnapshotHasMoreLayersThanTheLimit) {
  std::string digest;
  for (unsigned i = 0; i < SnapshotStore::kLayersMax; ++i) {
    digest = Commit(digest, [&](const std::string& root) {
               WriteFile(root + "/f", absl::StrCat(i));
             }).digest;
  }
  const auto one_more =
      TryCommit(digest, [](const std::string& root) { WriteFile(root + "/f", "more"); });
  EXPECT_EQ(one_more.status().code(), absl::StatusCode::kOutOfRange);
  EXPECT_EQ(Count("snapshots"), static_cast<int>(SnapshotStore::kLayersMax));
}

// Hard links take no room, and the names on the way to them count for each.
TEST_F(SnapshotLayersTest, TreeWhoseNamesTakeTooMuchIsRefusedAndNothingStays) {
  const auto link_below = [](const std::string& root, int files) {
    UniqueFd at(::open(root.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    for (int i = 0; i < 100; ++i) {
      const std::string name(250, 'd');
      ASSERT_EQ(::mkdirat(at.get(), name.c_str(), 0755), 0);
      at = UniqueFd(::openat(at.get(), name.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
      ASSERT_TRUE(at.valid());
    }
    const std::string first = absl::StrCat(0, std::string(200, 'f'));
    for (int i = 0; i < files; ++i) {
      const std::string name = absl::StrCat(i, std::string(200, 'f'));
      if (i == 0) {
        ASSERT_TRUE(UniqueFd(::openat(at.get(), name.c_str(), O_CREAT | O_CLOEXEC, 0644)).valid());
      } else {
        ASSERT_EQ(::linkat(at.get(), first.c_str(), at.get(), name.c_str(), 0), 0);
      }
    }
  };
  constexpr int kTooMany = 12'000;  // times more than 25,000 bytes: more than kTreeBytesMax
  const auto refused = TryCommit("", [&](const std::string& root) { link_below(root, kTooMany); });
  EXPECT_EQ(refused.status().code(), absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(ReasonOf(refused.status()), "TREE_TOO_LARGE");
  EXPECT_EQ(Count("snapshots"), 0);

  // Half of it fits, and can be a parent; with the other half over it, it is too much.
  const SnapshotInfo half =
      Commit("", [&](const std::string& root) { link_below(root, kTooMany / 2); });
  EXPECT_TRUE(Commit(half.digest, [](const std::string& root) {
                WriteFile(root + "/f", "f");
              }).layers == 2);
  const auto both = TryCommit(half.digest, [&](const std::string& root) {
    fs::create_directory(root + "/o");
    link_below(root + "/o", kTooMany / 2);
  });
  EXPECT_EQ(ReasonOf(both.status()), "TREE_TOO_LARGE");
  lease_.clear();
  EXPECT_EQ(Count("snapshots"), 2);
}

TEST_F(SnapshotLayersTest, SnapshotWhoseParentIsGoneIsReportedAndNotServed) {
  const SnapshotInfo a = Commit("", [](const std::string& root) { WriteFile(root + "/f", "a"); });
  const SnapshotInfo b =
      Commit(a.digest, [](const std::string& root) { WriteFile(root + "/f", "b"); });
  const SnapshotInfo c =
      Commit(b.digest, [](const std::string& root) { WriteFile(root + "/f", "c"); });
  lease_.clear();
  store_.reset();
  fs::remove_all(PathOf(a));
  OpenStore();
  EXPECT_TRUE(store_->List().empty());
  EXPECT_EQ(store_->damaged().size(), 2u);
}

TEST_F(SnapshotLayersTest, VerifyFindsRotInAParentAndInAManifest) {
  const std::string content(1 << 20, 'x');
  const SnapshotInfo a =
      Commit("", [&](const std::string& root) { WriteFile(root + "/f", content); });
  const SnapshotInfo b =
      Commit(a.digest, [](const std::string& root) { WriteFile(root + "/g", "b"); });
  EXPECT_TRUE(store_->Verify(b.digest).ok());
  lease_.clear();
  store_.reset();
  const std::string bytes = ReadFile(PathOf(a) + "/disk.img");
  const size_t at = bytes.find(std::string(4096, 'x'));
  ASSERT_NE(at, std::string::npos);
  const int fd = ::open((PathOf(a) + "/disk.img").c_str(), O_WRONLY | O_CLOEXEC);
  ASSERT_EQ(::pwrite(fd, "y", 1, static_cast<off_t>(at)), 1);
  OpenDisks();
  OpenStore();
  const absl::Status rotten = store_->Verify(b.digest);
  EXPECT_EQ(ReasonOf(rotten), "SNAPSHOT_DAMAGED");
  EXPECT_EQ(GetErrorDetail(rotten)->metadata.at("digest"), a.digest) << "the one to blame";
  store_.reset();
  ASSERT_EQ(::pwrite(fd, "x", 1, static_cast<off_t>(at)), 1);
  ::close(fd);
  OpenDisks();
  OpenStore();
  EXPECT_TRUE(store_->Verify(b.digest).ok());
  WriteFile(PathOf(a) + "/manifest", "glovebox-manifest-1\n");
  EXPECT_EQ(ReasonOf(store_->Verify(b.digest)), "SNAPSHOT_DAMAGED");
}

TEST_F(SnapshotLayersTest, SnapshotOfAnEarlierReleaseGetsItsManifestWhenItIsNeeded) {
  const SnapshotInfo a = Commit("", [](const std::string& root) { WriteFile(root + "/f", "a"); });
  const std::string manifest = ReadFile(PathOf(a) + "/manifest");
  ASSERT_TRUE(fs::remove(PathOf(a) + "/manifest"));
  OpenStore();
  EXPECT_TRUE(store_->damaged().empty());
  const SnapshotInfo b =
      Commit(a.digest, [](const std::string& root) { WriteFile(root + "/g", "b"); });
  EXPECT_EQ(DigestOfMerged(b.digest), b.content_digest);
  EXPECT_EQ(ReadFile(PathOf(a) + "/manifest"), manifest);
}

TEST_F(SnapshotLayersTest, LayerThatCouldShowOtherThingsThanItsManifestIsRefused) {
  const SnapshotInfo a = Commit("", [](const std::string& root) {
    fs::create_directories(root + "/workspace/.git");
    WriteFile(root + "/workspace/f", "a");
  });
  const auto commit = [&](const std::string& parent, const std::function<void(int)>& spoil) {
    auto disk = NewDisk(32 * kMiB, 0);
    fs::create_directories(disk->mount_path() + "/root/workspace/.git");
    const auto workspace = OpenAt(disk->root_fd(), "root/workspace", O_RDONLY | O_DIRECTORY);
    spoil(workspace->get());
    return ReasonOf(store_->Commit(std::move(disk), NextSource(), parent).status());
  };
  const auto attribute = [](const char* name, const char* value) {
    return [=](int fd) { ASSERT_EQ(::fsetxattr(fd, name, value, ::strlen(value), 0), 0); };
  };
  const auto device = [](const char* path, dev_t number) {
    return [=](int fd) { ASSERT_EQ(::mknodat(fd, path, S_IFCHR | 0666, number), 0); };
  };
  EXPECT_EQ(commit(a.digest, attribute("user.overlay.redirect", "/etc")), "CONTENT_REFUSED");
  EXPECT_EQ(commit(a.digest, attribute("user.overlay.metacopy", "")), "CONTENT_REFUSED");
  EXPECT_EQ(commit(a.digest, attribute("user.overlay.whiteout", "y")), "CONTENT_REFUSED");
  EXPECT_EQ(commit(a.digest, attribute("user.overlay.opaque", "x")), "CONTENT_REFUSED");
  EXPECT_EQ(commit(a.digest, attribute("trusted.overlay.opaque", "y")), "CONTENT_REFUSED");
  EXPECT_EQ(commit(a.digest, device("null", ::makedev(1, 3))), "CONTENT_REFUSED");
  EXPECT_EQ(commit(a.digest, device(".git/null", ::makedev(1, 3))), "CONTENT_REFUSED");
  EXPECT_EQ(commit("", device("f", ::makedev(0, 0))), "CONTENT_REFUSED") << "nothing to remove";
  EXPECT_EQ(Count("snapshots"), 1);
  EXPECT_EQ(commit(a.digest, device("f", ::makedev(0, 0))), "") << "a whiteout belongs in a delta";
  EXPECT_EQ(commit(a.digest, attribute("user.overlay.opaque", "y")), "");
}

TEST_F(SnapshotLayersTest, UnchangedFilesAreKeptOnce) {
  const std::string megabyte(1 << 20, 'x');
  const SnapshotInfo a = Commit("", [&](const std::string& root) {
    for (int i = 0; i < 16; ++i) WriteFile(absl::StrCat(root, "/", i), megabyte);
  });
  const SnapshotInfo b =
      Commit(a.digest, [](const std::string& root) { WriteFile(root + "/0", "b"); });
  EXPECT_GT(a.host_bytes, 16u << 20);
  EXPECT_LT(b.host_bytes, a.host_bytes / 4);
  EXPECT_LT(b.bytes_used, a.bytes_used / 4);
}

}  // namespace
}  // namespace glovebox
