#include "snapshot/git_import.h"

#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <ctime>
#include <filesystem>
#include <latch>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"
#include "tests/kernel/snapshot/fake_worker.h"
#include "tests/kernel/snapshot/state_directory.h"
#include "tests/support/must_run.h"

namespace glovebox {
namespace {

class GitImportTest : public StateDirectoryTest {
 protected:
  GitImportTest() : worker_(disks_.get()) {
    auto store = SnapshotStore::Open(directory_, disks_.get(), &clock_);
    if (!store.ok()) std::abort();
    store_ = *std::move(store);
    limits_.disk_bytes = 256 * kMiB;
    limits_.disk_inodes = 20'000;
    repository_ = directory_ + "/repository";
    Sh("git init -q -b main $R && cd $R && echo one >file && mkdir -p sub/dir && "
       "echo two >sub/dir/other && ln -s file link && printf '#!/bin/sh\\n' >run && chmod +x run "
       "&& "
       "git add . && git commit -qm first && git tag v1 && "
       "echo three >>file && git commit -qam second && git branch side v1 && "
       "git remote add upstream https://secret@example.com/x.git && "
       "printf '#!/bin/sh\\ntouch $0.ran\\n' >.git/hooks/post-checkout && "
       "chmod +x .git/hooks/post-checkout");
  }
  ~GitImportTest() override { store_.reset(); }

  // A shell on trusted input; $R is the repository.
  std::string Sh(const std::string& script) {
    const std::string out = directory_ + "/sh.out";
    const std::string command =
        "export HOME=/nonexistent GIT_CONFIG_NOSYSTEM=1 R='" + repository_ +
        "' GIT_AUTHOR_NAME=a GIT_AUTHOR_EMAIL=a@x GIT_COMMITTER_NAME=a GIT_COMMITTER_EMAIL=a@x "
        "GIT_CONFIG_COUNT=1 GIT_CONFIG_KEY_0=safe.directory GIT_CONFIG_VALUE_0='*'; (" +
        script + ") >" + out;
    EXPECT_EQ(std::system(command.c_str()), 0) << script;
    std::string text = ReadFile(out);
    if (!text.empty() && text.back() == '\n') text.pop_back();
    return text;
  }
  absl::StatusOr<SnapshotInfo> Import(const std::string& revision, const std::string& path = "") {
    GitImporter importer(store_.get(), &worker_, limits_);
    return importer.Import({path.empty() ? repository_ : path, revision}, {});
  }
  std::string Workspace(const Layer& layer) {
    return layer.mount_path + "/" + layer.subdirectory + "/workspace";
  }

  std::string repository_;
  std::unique_ptr<SnapshotStore> store_;
  FakeWorker worker_;
  ImportLimits limits_;
};

TEST_F(GitImportTest, HeadBringsItsBranchFilesModesLinksAndHistory) {
  const auto info = Import("");
  ASSERT_TRUE(info.ok()) << info.status();
  EXPECT_EQ(info->branch, "main");
  EXPECT_EQ(info->commit, Sh("git -C $R rev-parse main"));
  EXPECT_EQ(info->tree, Sh("git -C $R rev-parse 'main^{tree}'"));
  const auto layers = store_->Lease(info->digest);
  ASSERT_TRUE(layers.ok()) << layers.status();
  const Layer* layer = &layers->front();
  const std::string workspace = Workspace(*layer);
  EXPECT_EQ(ReadFile(workspace + "/file"), "one\nthree\n");
  EXPECT_EQ(std::filesystem::read_symlink(workspace + "/link"), "file");
  EXPECT_EQ(Sh("git -C " + workspace + " rev-list --count HEAD"), "2");
  EXPECT_EQ(Sh("git -C " + workspace + " symbolic-ref HEAD"), "refs/heads/main");
  EXPECT_EQ(Sh("git -C " + workspace + " for-each-ref --format='%(refname)'"),
            "refs/heads/main\nrefs/heads/side\nrefs/tags/v1");
  struct stat status {};
  ASSERT_EQ(::stat((workspace + "/run").c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777u, 0755u);
}

// As in a sandbox: an overlay with the snapshot as lowerdir and another disk's upper/.
TEST_F(GitImportTest, StatusOverAnOverlayIsCleanWithoutReadingAFile) {
  SKIP_UNLESS(std::filesystem::exists("/usr/bin/strace"), "strace shows which files git opens");
  const auto info = Import("");
  ASSERT_TRUE(info.ok()) << info.status();
  const auto layers = store_->Lease(info->digest);
  ASSERT_TRUE(layers.ok()) << layers.status();
  const Layer* layer = &layers->front();
  const auto upper = NewDisk(32 * kMiB, 0);
  const std::string options = "userxattr,lowerdir=" + layer->mount_path + "/" +
                              layer->subdirectory + ",upperdir=" + upper->mount_path() +
                              "/upper,workdir=" + upper->mount_path() + "/work";
  const std::string merged = directory_ + "/merged";
  std::filesystem::create_directory(merged);
  ASSERT_EQ(::mount("overlay", merged.c_str(), "overlay", 0, options.c_str()), 0);
  const std::string workspace = merged + "/workspace";
  const std::string opened = Sh("strace -f -e trace=openat,open git -C " + workspace +
                                " status --porcelain 2>&1 | grep -oE '\"[^\"]*\"'");
  struct stat file {
  }, index{};
  EXPECT_EQ(::stat((workspace + "/file").c_str(), &file), 0);
  EXPECT_EQ(::stat((workspace + "/.git/index").c_str(), &index), 0);
  const std::string status = Sh("git -C " + workspace + " status --porcelain");
  EXPECT_EQ(::umount2(merged.c_str(), MNT_DETACH), 0);
  EXPECT_EQ(status, "");
  EXPECT_NE(opened.find("/index\""), std::string::npos) << "strace saw nothing: " << opened;
  for (const char* name : {"\"file\"", "\"run\"", "\"sub/dir/other\""}) {
    EXPECT_EQ(opened.find(name), std::string::npos) << "git read " << name;
  }
  EXPECT_EQ(index.st_mtime, file.st_mtime + 2);
}

// Git compares sizes and seconds: an edit right after the commit must have another second.
TEST_F(GitImportTest, FilesHaveTheCommitsTimeUnlessAnEditCouldHaveItToo) {
  const auto time_of_file = [&](const std::string& commit) -> time_t {
    Sh("cd $R && echo x >>file && " + commit);
    const auto info = Import("");
    EXPECT_TRUE(info.ok()) << info.status();
    if (!info.ok()) return 0;
    const auto layers = store_->Lease(info->digest);
    struct stat file {};
    EXPECT_TRUE(layers.ok()) << layers.status();
    EXPECT_EQ(::stat((Workspace(layers->front()) + "/file").c_str(), &file), 0);
    return file.st_mtime;
  };
  EXPECT_EQ(time_of_file("GIT_COMMITTER_DATE='@1500000000 +0000' git commit -qam past"),
            1500000000);
  const time_t begin = ::time(nullptr);
  for (const char* date : {"", "GIT_COMMITTER_DATE=\"@$(($(date +%s) + 3600)) +0000\" "}) {
    const time_t found = time_of_file(absl::StrCat(date, "git commit -qam now"));
    EXPECT_GE(found, begin - 2) << date;
    EXPECT_LT(found, ::time(nullptr) - 1) << date;
  }
}

TEST_F(GitImportTest, NothingOfTheHostOrTheRemoteIsLeft) {
  const auto info = Import("");
  ASSERT_TRUE(info.ok()) << info.status();
  const auto layers = store_->Lease(info->digest);
  ASSERT_TRUE(layers.ok()) << layers.status();
  const Layer* layer = &layers->front();
  const std::string root = layer->mount_path + "/root";
  EXPECT_EQ(Sh("grep -rIlE 'secret|example.com|/mnt|" + directory_ + "' " + root + " || true"), "");
  EXPECT_EQ(Sh("cd " + root + " && ls -A && ls -A workspace/.git"),
            "workspace\nHEAD\nconfig\nindex\nobjects\npacked-refs\nrefs");
  EXPECT_FALSE(std::filesystem::exists(repository_ + "/.git/hooks/post-checkout.ran"));
}

TEST_F(GitImportTest, TagsShortAndFullIdsAreDetached) {
  const std::string commit = Sh("git -C $R rev-parse v1");
  const auto by_tag = Import("v1");
  ASSERT_TRUE(by_tag.ok()) << by_tag.status();
  EXPECT_EQ(by_tag->commit, commit);
  EXPECT_EQ(by_tag->branch, "");
  const auto by_short = Import(commit.substr(0, 10));
  ASSERT_TRUE(by_short.ok()) << by_short.status();
  EXPECT_EQ(by_short->digest, by_tag->digest);
  EXPECT_EQ(worker_.runs, 2) << "a short id must be resolved by a worker";
  const auto by_id = Import(commit);
  ASSERT_TRUE(by_id.ok()) << by_id.status();
  EXPECT_EQ(by_id->digest, by_tag->digest);
  EXPECT_EQ(worker_.runs, 2) << "a full id that is in the store needs no worker";
  const auto by_branch = Import("side");
  ASSERT_TRUE(by_branch.ok()) << by_branch.status();
  EXPECT_EQ(by_branch->commit, commit);
  EXPECT_EQ(by_branch->branch, "side");
  EXPECT_NE(by_branch->digest, by_tag->digest);
  EXPECT_EQ(Count("snapshots"), 2);
}

TEST_F(GitImportTest, BareRepositoriesAndBundlesGiveTheSameContent) {
  Sh("git clone -q --bare $R " + directory_ + "/bare.git && git -C $R bundle create -q " +
     directory_ + "/x.bundle --all HEAD");
  const auto plain = Import("main");
  const auto bare = Import("main", directory_ + "/bare.git");
  const auto bundle = Import("main", directory_ + "/x.bundle");
  ASSERT_TRUE(plain.ok()) << plain.status();
  ASSERT_TRUE(bare.ok()) << bare.status();
  ASSERT_TRUE(bundle.ok()) << bundle.status();
  EXPECT_EQ(bare->content_digest, plain->content_digest);
  EXPECT_EQ(bundle->content_digest, plain->content_digest);
  EXPECT_NE(bare->digest, plain->digest) << "another source is another snapshot";
}

TEST_F(GitImportTest, ImportsAtTheSameTimeRunOnce) {
  std::latch inside(1);
  std::latch go_on(1);
  worker_.before_return = [&](WorkerResult*) {
    inside.count_down();
    go_on.wait();
  };
  GitImporter importer(store_.get(), &worker_, limits_);
  std::vector<absl::StatusOr<SnapshotInfo>> results(4, absl::UnknownError("not run"));
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&, i] { results[size_t(i)] = importer.Import({repository_, "v1"}, {}); });
  }
  inside.wait();
  while (importer.waiting() < 3) std::this_thread::yield();  // else ctest's time limit ends this
  go_on.count_down();
  for (std::thread& thread : threads) thread.join();
  for (const auto& result : results) {
    ASSERT_TRUE(result.ok()) << result.status();
    EXPECT_EQ(result->digest, results[0]->digest);
  }
  EXPECT_EQ(worker_.runs, 1);
}

TEST_F(GitImportTest, MissingThingsHaveTheirReasons) {
  EXPECT_EQ(ReasonOf(Import("", directory_ + "/absent").status()), "REPOSITORY_NOT_FOUND");
  EXPECT_EQ(ReasonOf(Import("", directory_).status()), "REPOSITORY_NOT_FOUND");
  WriteFile(directory_ + "/text", "not a bundle");
  EXPECT_EQ(ReasonOf(Import("", directory_ + "/text").status()), "REPOSITORY_NOT_FOUND");
  EXPECT_EQ(ReasonOf(Import("absent").status()), "COMMIT_NOT_FOUND");
  EXPECT_EQ(ReasonOf(Import(std::string(40, '1')).status()), "COMMIT_NOT_FOUND");
  EXPECT_EQ(ReasonOf(Import(Sh("git -C $R rev-parse HEAD:file")).status()), "COMMIT_NOT_FOUND");
  Sh("git init -q " + directory_ + "/empty");
  EXPECT_EQ(ReasonOf(Import("", directory_ + "/empty").status()), "COMMIT_NOT_FOUND");
  EXPECT_EQ(ReasonOf(Import("--help").status()), "REVISION_INVALID");
  EXPECT_EQ(Count("snapshots"), 0);
}

TEST_F(GitImportTest, CorruptObjectsAreReportedWithGitsWords) {
  const std::string blob = Sh("git -C $R rev-parse HEAD:file");
  const std::string path =
      repository_ + "/.git/objects/" + blob.substr(0, 2) + "/" + blob.substr(2);
  std::filesystem::permissions(path, std::filesystem::perms::owner_all);
  WriteFile(path, "garbage");
  const absl::Status status = Import("").status();
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(ReasonOf(status), "REPOSITORY_INVALID");
  EXPECT_NE(status.message().find(blob), absl::string_view::npos) << status;
  const std::string commit = Sh("git -C $R rev-parse HEAD");
  const std::string commit_path =
      repository_ + "/.git/objects/" + commit.substr(0, 2) + "/" + commit.substr(2);
  std::filesystem::permissions(commit_path, std::filesystem::perms::owner_all);
  WriteFile(commit_path, "garbage");
  EXPECT_EQ(ReasonOf(Import(commit).status()), "REPOSITORY_INVALID");
  EXPECT_EQ(Count("snapshots"), 0);
}

TEST_F(GitImportTest, UnsupportedRepositoriesSayWhy) {
  Sh("git -C $R worktree add -q " + directory_ + "/linked side");
  EXPECT_EQ(ReasonOf(Import("", directory_ + "/linked").status()), "REPOSITORY_UNSUPPORTED");
  Sh("git clone -q --shared $R " + directory_ + "/borrower");
  const absl::Status status = Import("", directory_ + "/borrower").status();
  EXPECT_EQ(ReasonOf(status), "REPOSITORY_UNSUPPORTED");
  EXPECT_NE(status.message().find("alternates"), absl::string_view::npos) << status;
  Sh("git init -q --object-format=sha256 " + directory_ + "/sha256");
  EXPECT_EQ(ReasonOf(Import("", directory_ + "/sha256").status()), "REPOSITORY_UNSUPPORTED");
}

TEST_F(GitImportTest, RepositoryThatDoesNotFitIsTooLarge) {
  Sh("cd $R && head -c 60000000 /dev/urandom >big && git add big && git commit -qm big");
  limits_.disk_bytes = 32 * kMiB;
  limits_.disk_inodes = 0;
  const absl::Status status = Import("").status();
  EXPECT_EQ(status.code(), absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(ReasonOf(status), "IMPORT_TOO_LARGE") << status;
  EXPECT_EQ(Count("snapshots"), 0);
}

TEST_F(GitImportTest, WorkerThatLiesIsNotBelieved) {
  const std::string hex(40, 'a');
  for (const std::string& answer :
       {std::string(""), std::string("imported\n"), "imported\n" + hex + "\n" + hex + "\n\x1b\n",
        "imported\n" + hex + "\n../../x\nmain\n", "imported\n" + hex + "\n" + hex + "\nm\nx\n",
        "known\n" + hex + "\n" + hex + "\nmain\n"}) {
    worker_.before_return = [&](WorkerResult* result) { result->stdout_bytes = answer; };
    EXPECT_FALSE(Import("").ok()) << answer;
  }
  worker_.before_return = [&](WorkerResult* result) {
    std::filesystem::rename(result->disk->mount_path() + "/upper/home",
                            result->disk->mount_path() + "/upper/elsewhere");
    std::filesystem::create_symlink("elsewhere", result->disk->mount_path() + "/upper/home");
  };
  EXPECT_FALSE(Import("").ok()) << "a symbolic link on the way to the tree was followed";
  worker_.before_return = [&](WorkerResult* result) {
    const std::string tree = result->disk->mount_path() + "/upper/home/agent/workspace";
    std::filesystem::remove_all(tree);
    std::filesystem::create_symlink("/etc", tree);
  };
  EXPECT_FALSE(Import("").ok()) << "a symbolic link was taken for the tree";
  EXPECT_EQ(Count("snapshots"), 0);
}

TEST_F(GitImportTest, RepositoryReplacedMeanwhileIsNotKept) {
  worker_.before_return = [&](WorkerResult*) {
    std::filesystem::rename(repository_, repository_ + ".old");
    std::filesystem::create_directory(repository_);
  };
  EXPECT_EQ(ReasonOf(Import("").status()), "REPOSITORY_REPLACED");
  EXPECT_EQ(Count("snapshots"), 0);
}

TEST_F(GitImportTest, PhasesAreReported) {
  GitImporter importer(store_.get(), &worker_, limits_);
  std::vector<ImportPhase> phases;
  const auto info = importer.Import({repository_, ""}, [&](const ImportProgress& progress) {
    if (phases.empty() || phases.back() != progress.phase) phases.push_back(progress.phase);
  });
  ASSERT_TRUE(info.ok()) << info.status();
  EXPECT_EQ(phases, (std::vector<ImportPhase>{ImportPhase::kResolving, ImportPhase::kCopying,
                                              ImportPhase::kCheckingOut, ImportPhase::kIndexing,
                                              ImportPhase::kSealing}));
}

}  // namespace
}  // namespace glovebox
