// Imports over a snapshot that is there: the result must not tell how it was made.
#include <sys/mount.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <random>
#include <string>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"
#include "snapshot/git_import.h"
#include "tests/kernel/snapshot/fake_worker.h"
#include "tests/kernel/snapshot/state_directory.h"
#include "tests/support/must_run.h"

namespace glovebox {
namespace {

namespace fs = std::filesystem;

class GitDeltaTest : public StateDirectoryTest {
 protected:
  GitDeltaTest() : worker_(disks_.get()) {
    for (const char* name : {"/one", "/other", "/merged"}) fs::create_directory(directory_ + name);
    OpenStores();
    limits_.disk_bytes = 256 * kMiB;
    limits_.disk_inodes = 20'000;
    repository_ = directory_ + "/repository";
    Sh("git init -q -b main $R && cd $R && mkdir -p sub/dir && echo one >file && "
       "echo two >sub/dir/other && ln -s file link && printf '#!/bin/sh\\n' >run && chmod +x run "
       "&& "
       "head -c 300000 /dev/urandom >large && git add . && git commit -qm first && git tag v1 && "
       "git branch side && echo three >>file && git commit -qam second && git tag v2");
  }
  ~GitDeltaTest() override {
    store_.reset();
    other_.reset();
  }

  void OpenStores() {
    store_.reset();
    other_.reset();
    auto store = SnapshotStore::Open(directory_ + "/one", disks_.get(), &clock_);
    auto other = SnapshotStore::Open(directory_ + "/other", disks_.get(), &clock_);
    if (!store.ok() || !other.ok()) std::abort();
    store_ = *std::move(store);
    other_ = *std::move(other);
  }
  // A shell on trusted input; $R is the repository.
  std::string Sh(const std::string& script) {
    const std::string out = directory_ + "/sh.out";
    const std::string command =
        "export HOME=/nonexistent GIT_CONFIG_NOSYSTEM=1 R='" + repository_ +
        "' GIT_AUTHOR_NAME=a GIT_AUTHOR_EMAIL=a@x GIT_COMMITTER_NAME=a GIT_COMMITTER_EMAIL=a@x "
        "GIT_CONFIG_COUNT=2 GIT_CONFIG_KEY_0=safe.directory GIT_CONFIG_VALUE_0='*' "
        "GIT_CONFIG_KEY_1=protocol.file.allow GIT_CONFIG_VALUE_1=always; (" +
        script + ") >" + out;
    EXPECT_EQ(std::system(command.c_str()), 0) << script;
    std::string text = ReadFile(out);
    if (!text.empty() && text.back() == '\n') text.pop_back();
    return text;
  }
  absl::StatusOr<SnapshotInfo> Import(SnapshotStore* store, const std::string& revision,
                                      History history = History::kFull) {
    GitImporter importer(store, &worker_, limits_);
    return importer.Import({repository_, revision, nullptr, history}, {});
  }
  // `script` with $W: /workspace as a sandbox of the snapshot shows it.
  std::string In(SnapshotStore* store, const std::string& digest, const std::string& script) {
    const auto layers = store->Lease(digest);
    EXPECT_TRUE(layers.ok()) << layers.status();
    const auto upper = NewDisk(32 * kMiB, 0);
    std::string options = "userxattr,upperdir=" + upper->mount_path() +
                          "/upper,workdir=" + upper->mount_path() + "/work,lowerdir=";
    for (const Layer& layer : *layers) {
      absl::StrAppend(&options, &layer == &layers->front() ? "" : ":", layer.mount_path, "/",
                      layer.subdirectory);
    }
    const std::string merged = directory_ + "/merged";
    EXPECT_EQ(::mount("overlay", merged.c_str(), "overlay", 0, options.c_str()), 0) << options;
    const std::string out = Sh("W=" + merged + "/workspace; " + script);
    EXPECT_EQ(::umount2(merged.c_str(), MNT_DETACH), 0);
    return out;
  }
  // Imports `revision` over what the first store has and into an empty one: nobody can tell them
  // apart. Returns the first.
  SnapshotInfo ExpectSame(const std::string& revision) {
    const auto delta = Import(store_.get(), revision);
    EXPECT_TRUE(delta.ok()) << delta.status();
    for (const SnapshotInfo& info : other_->List()) EXPECT_TRUE(other_->Delete(info.digest).ok());
    const auto whole = Import(other_.get(), revision);
    EXPECT_TRUE(whole.ok()) << whole.status();
    if (!delta.ok() || !whole.ok()) return {};
    EXPECT_EQ(whole->parent, "");
    EXPECT_EQ(delta->digest, whole->digest);
    EXPECT_EQ(delta->content_digest, whole->content_digest);
    const std::string look =
        "cd $W && git for-each-ref && cat .git/HEAD .git/config && git status --porcelain && "
        "ls -A .git && find . -path ./.git -prune -o ! -type d -printf '%p %m %y %l\\n' | sort && "
        "git fsck --full --strict 2>&1 | grep -v '^dangling' || true";
    EXPECT_EQ(In(store_.get(), delta->digest, look), In(other_.get(), whole->digest, look));
    EXPECT_EQ(
        In(store_.get(), delta->digest, "git -C $W fsck --full 2>&1 | grep -v dangling || true"),
        "");
    EXPECT_TRUE(store_->Verify(delta->digest).ok());
    return *delta;
  }

  std::string repository_;
  std::unique_ptr<SnapshotStore> store_, other_;
  FakeWorker worker_;
  ImportLimits limits_;
};

TEST_F(GitDeltaTest, SecondCommitIsKeptAsADifferenceAndIsTheSameAsAWholeImport) {
  const SnapshotInfo first = ExpectSame("v1");
  const SnapshotInfo second = ExpectSame("main");
  EXPECT_EQ(first.parent, "");
  EXPECT_EQ(second.parent, first.digest);
  EXPECT_EQ(second.layers, 2u);
  EXPECT_EQ(worker_.runs_over_a_base, 1);
}

TEST_F(GitDeltaTest, AnyHistoryIsTheSameAsAWholeImport) {
  const unsigned seed = std::random_device{}();
  std::mt19937 random(seed);
  const auto pick = [&](unsigned below) {
    return std::uniform_int_distribution<unsigned>(0, below - 1)(random);
  };
  SCOPED_TRACE(absl::StrCat("seed ", seed));
  const std::string names[] = {"a", "a.b", "'d e'", "sub", "sub/dir", "file", "link", "run"};
  std::string trace;
  for (int step = 0; step < 6; ++step) {
    std::string script = "cd $R && git checkout -q main";
    for (unsigned edits = 1 + pick(6); edits > 0; --edits) {
      const std::string path = names[pick(8)] + (pick(2) == 0 ? "" : "/" + names[pick(3)]);
      const std::string make = absl::StrCat(" && rm -rf ", path, " && (mkdir -p $(dirname ", path,
                                            ") 2>/dev/null || true)");
      switch (pick(6)) {
        case 0:
          script += " && rm -rf " + path;
          break;
        case 1:
          absl::StrAppend(&script, make, " && (ln -s t", pick(3), " ", path,
                          " 2>/dev/null || true)");
          break;
        case 2:
          absl::StrAppend(&script, " && (test ! -f ", path, " || chmod ", pick(2) == 0 ? "+" : "-",
                          "x ", path, ")");
          break;
        default:
          absl::StrAppend(&script, make, " && (echo ", pick(5), " >", path,
                          " 2>/dev/null || true)");
      }
    }
    absl::StrAppend(&script, " && git add -A . && git commit -qm c --allow-empty --date @", step,
                    "000000000 && git branch -f b", pick(3), " main~", pick(2),
                    " && (git branch -qD b", pick(3), " 2>/dev/null || true) && git tag -f t",
                    pick(3), " >/dev/null");
    absl::StrAppend(&trace, script, "\n");
    Sh(script);
    ExpectSame(pick(3) == 0 ? Sh("git -C $R rev-parse main") : "main");
    ASSERT_FALSE(HasFailure()) << trace;
  }
  EXPECT_GE(worker_.runs_over_a_base, 5);
}

TEST_F(GitDeltaTest, StatusIsCleanWithoutReadingAFile) {
  SKIP_UNLESS(fs::exists("/usr/bin/strace"), "strace shows which files git opens");
  Import(store_.get(), "v1").value();
  const SnapshotInfo second = Import(store_.get(), "main").value();
  ASSERT_EQ(second.layers, 2u);
  const std::string opened =
      In(store_.get(), second.digest,
         "strace -f -e trace=openat,open git -C $W status --porcelain 2>&1 | "
         "grep -oE '\"[^\"]*\"|exited with [0-9]+'");
  EXPECT_NE(opened.find("/index\""), std::string::npos) << "strace saw nothing: " << opened;
  for (const char* name : {"\"file\"", "\"run\"", "\"sub/dir/other\"", "\"large\""}) {
    EXPECT_EQ(opened.find(name), std::string::npos) << "git read " << name;
  }
}

TEST_F(GitDeltaTest, UnchangedFilesAndObjectsAreKeptOnce) {
  Sh("cd $R && for i in $(seq 200); do head -c 20000 /dev/urandom >f$i; done && git add . && "
     "git commit -qm many && git tag many && echo x >f1 && echo y >f2 && git commit -qam few");
  const SnapshotInfo whole = Import(store_.get(), "many").value();
  const SnapshotInfo delta = Import(store_.get(), "main").value();
  EXPECT_EQ(delta.parent, whole.digest);
  EXPECT_GT(whole.bytes_used, 8'000'000u);
  EXPECT_LT(delta.bytes_used, whole.bytes_used / 20);
  EXPECT_LT(delta.host_bytes, whole.host_bytes / 5);
}

TEST_F(GitDeltaTest, OlderCommitOverANewerOneIsTheSame) {
  ExpectSame("main");
  EXPECT_EQ(ExpectSame("v1").layers, 2u);
}

TEST_F(GitDeltaTest, CommitThatNoRefReachesAndRewrittenHistoryAreTheSame) {
  ExpectSame("v1");
  const std::string lost = Sh(
      "cd $R && git checkout -q --detach && echo lost >lost && git add . && git commit -qm lost && "
      "git rev-parse HEAD && git checkout -q main");
  ExpectSame(lost);
  Sh("cd $R && git reset -q --hard v1 && echo other >file && git commit -qam rewritten && "
     "git branch -D side && git tag -d v2 && git branch side/deeper && git symbolic-ref HEAD "
     "refs/heads/side/deeper");
  const SnapshotInfo info = ExpectSame("");
  EXPECT_EQ(info.branch, "side/deeper");
  EXPECT_EQ(info.layers, 3u);
}

TEST_F(GitDeltaTest, SubmodulesAreEmptyDirectoriesThatComeAndGo) {
  ExpectSame("main");
  Sh("cd $R && git init -q ../module && git -C ../module commit -q --allow-empty -m m && "
     "git submodule -q add ../module module && git commit -qm added");
  EXPECT_EQ(ExpectSame("main").layers, 2u);
  Sh("cd $R && git rm -qf module && git commit -qm removed");
  EXPECT_EQ(ExpectSame("main").layers, 3u);
}

TEST_F(GitDeltaTest, AttributesThatChangeHowFilesAreCheckedOutMakeItWhole) {
  ExpectSame("v1");
  Sh("cd $R && echo '*  text eol=crlf' >sub/dir/.gitattributes && git add . && git commit -qm a");
  const SnapshotInfo info = ExpectSame("main");
  EXPECT_EQ(info.parent, "");
  EXPECT_EQ(In(store_.get(), info.digest, "od -c $W/sub/dir/other | head -n 1 | tr -d ' '"),
            "0000000two\\r\\n");
}

TEST_F(GitDeltaTest, AfterAsManyLayersAsThereMayBeOneIsWholeAgain) {
  for (uint32_t i = 1; i <= SnapshotStore::kLayersMax + 2; ++i) {
    Sh("cd $R && echo more >>file && git commit -qam more");
    const auto info = Import(store_.get(), "main");
    ASSERT_TRUE(info.ok()) << info.status();
    EXPECT_EQ(info->layers, i <= SnapshotStore::kLayersMax ? i : i - SnapshotStore::kLayersMax);
  }
}

TEST_F(GitDeltaTest, HostileOrBrokenSourceGivesTheSameErrorOverABase) {
  ASSERT_TRUE(Import(store_.get(), "v1").ok());
  const std::string blob =
      Sh("cd $R && echo new >>file && git commit -qam new && git rev-parse HEAD:file");
  const std::string path =
      repository_ + "/.git/objects/" + blob.substr(0, 2) + "/" + blob.substr(2);
  fs::permissions(path, fs::perms::owner_all);
  WriteFile(path, "garbage");
  for (const char* revision : {"main", "absent"}) {
    const absl::Status over_a_base = Import(store_.get(), revision).status();
    const absl::Status whole = Import(other_.get(), revision).status();
    EXPECT_FALSE(whole.ok());
    EXPECT_EQ(over_a_base.code(), whole.code());
    EXPECT_EQ(ReasonOf(over_a_base), ReasonOf(whole));
  }
  EXPECT_EQ(store_->List().size(), 1u);
}

TEST_F(GitDeltaTest, DamagedBaseKeepsNobodyFromImporting) {
  const SnapshotInfo first = Import(store_.get(), "v1").value();
  WriteFile(directory_ + "/one/snapshots/" + first.digest.substr(7) + "/manifest", "rot");
  const auto second = Import(store_.get(), "main");
  ASSERT_TRUE(second.ok()) << second.status();
  EXPECT_EQ(second->parent, "");
  EXPECT_TRUE(store_->Verify(second->digest).ok());
}

TEST_F(GitDeltaTest, WorkerThatLeavesALinkForTheTreeIsNotBelieved) {
  ASSERT_TRUE(Import(store_.get(), "v1").ok());
  worker_.before_return = [&](WorkerResult* result) {
    const std::string tree = result->disk->mount_path() + "/upper/workspace";
    fs::remove_all(tree);
    fs::create_symlink("/etc", tree);
  };
  EXPECT_FALSE(Import(store_.get(), "main").ok());
  EXPECT_EQ(store_->List().size(), 1u);
}

TEST_F(GitDeltaTest, ShallowHistoryIsTheAskedCommitAlone) {
  Sh("git clone -q --bare $R $R.git && git -C $R bundle create -q $R.bundle --all HEAD");
  const std::string plain = repository_;
  for (const char* suffix : {"", ".git", ".bundle"}) {
    repository_ = plain + suffix;
    const auto info = Import(store_.get(), "main", History::kShallow);
    ASSERT_TRUE(info.ok()) << suffix << info.status();
    EXPECT_EQ(info->history, History::kShallow);
    EXPECT_EQ(
        In(store_.get(), info->digest,
           "cd $W && git log --format=%s && git status --porcelain && git for-each-ref "
           "--format='%(refname)' && git symbolic-ref HEAD && git fsck --full 2>&1 && cat file"),
        "second\nrefs/heads/main\nrefs/heads/main\none\nthree");
    EXPECT_EQ(Import(store_.get(), "main", History::kShallow)->digest, info->digest);
  }
  repository_ = plain;
  const SnapshotInfo full = Import(store_.get(), "main").value();
  EXPECT_EQ(full.parent, "") << "a shallow one is no base";
  const SnapshotInfo shallow = Import(store_.get(), "main", History::kShallow).value();
  EXPECT_EQ(full.content_digest, shallow.content_digest);
  EXPECT_NE(full.digest, shallow.digest);
  const SnapshotInfo detached = Import(store_.get(), "v1", History::kShallow).value();
  EXPECT_EQ(In(store_.get(), detached.digest, "git -C $W log --format=%s; git -C $W branch -a"),
            "first\n* (no branch)");
}

TEST_F(GitDeltaTest, WithoutHistoryThereIsNoGitDirectory) {
  const auto info = Import(store_.get(), "v1", History::kNone);
  ASSERT_TRUE(info.ok()) << info.status();
  EXPECT_EQ(In(store_.get(), info->digest, "ls -A $W; cat $W/file"),
            "file\nlarge\nlink\nrun\nsub\none");
  EXPECT_EQ(info->commit, Sh("git -C $R rev-parse v1"));
  EXPECT_EQ(info->content_digest, Import(store_.get(), "v1")->content_digest);
}

}  // namespace
}  // namespace glovebox
