// Snapshots that many sandboxes mount read-only.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "absl/strings/str_cat.h"
#include "base/ids.h"
#include "base/status.h"
#include "tests/support/lasting_world.h"
#include "tests/support/suite_world.h"

namespace glovebox {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr char kTarget[] = "/home/agent/.cache/tools";

std::string ReasonOf(const absl::Status& status) {
  const auto detail = GetErrorDetail(status);
  return detail.has_value() ? detail->reason : std::string(status.message());
}

std::string OutputOf(Sandbox& sandbox, const std::string& script, const std::string& user = "") {
  ExecSpec spec = Shell(script);
  spec.user = user;
  const auto outcome = RunIn(sandbox, spec);
  EXPECT_TRUE(outcome.ok()) << outcome.status();
  if (!outcome.ok()) return "";
  EXPECT_EQ(outcome->result.exit_code, 0) << script << ": " << outcome->err;
  return outcome->out;
}

// On a repository of our own; trusted.
void Host(const std::string& directory, const std::string& script) {
  const std::string command = absl::StrCat("cd ", directory, " && ", script);
  ASSERT_EQ(std::system(command.c_str()), 0) << script;
}

// One snapshot of one layer, and one of two over it: /workspace with file, gone and dir/tool, then
// changed.
struct Made {
  std::string whole, layered;
};
Made MakeSnapshots(SandboxManager& manager, const std::string& directory) {
  const auto import = [&]() -> std::string {
    const auto info =
        manager.ImportRepository({directory + "/repo", "main", History::kFull}, nullptr);
    EXPECT_TRUE(info.ok()) << info.status();
    return info.ok() ? info->digest : "";
  };
  Host(directory,
       "git init -q -b main repo && cd repo && git config user.name t && git config user.email t@t "
       "&& mkdir dir && echo one > file && echo x > gone && printf '#!/bin/sh\\necho ran' > "
       "dir/tool && chmod +x dir/tool && git add -A && git commit -qm first");
  Made made;
  made.whole = import();
  Host(directory, "cd repo && git rm -q gone && echo two > file && git add -A && git commit -qm b");
  made.layered = import();
  EXPECT_EQ(manager.snapshots()->Find(made.layered)->parent, made.whole);
  return made;
}

CreateOptions With(const std::string& digest, const std::string& target = kTarget) {
  CreateOptions options;
  options.caches = {{"", digest, target}};
  return options;
}

class CacheTest : public SuiteWorld<CacheTest> {
 protected:
  static void SetUpTestSuite() {
    SuiteWorld::SetUpTestSuite();
    ASSERT_NE(world_, nullptr);
    made_ = MakeSnapshots(world_->manager(), world_->directory());
  }
  void TearDown() override {
    for (const SandboxInfo& info : world_->manager().List()) {
      EXPECT_EQ(world_->manager().Delete(info.id, Sandbox::CleanUp::kWait), absl::OkStatus());
    }
    for (const CacheInfo& info : names().List(Viewer(EveryOwner{}))) {
      EXPECT_EQ(names().Remove(info.owner, info.name, info.shared), absl::OkStatus());
    }
    EXPECT_TRUE(std::filesystem::is_empty(world_->directory() + "/run"));
  }
  static CacheBook& names() { return *world_->manager().caches(); }
  static uint64_t HostBytes() {
    uint64_t bytes = 0;
    for (const auto& entry :
         std::filesystem::recursive_directory_iterator(world_->directory() + "/disks")) {
      struct stat status {};
      if (::lstat(entry.path().c_str(), &status) == 0) {
        bytes += static_cast<uint64_t>(status.st_blocks) * 512;
      }
    }
    return bytes;
  }
  inline static Made made_;
};

TEST_F(CacheTest, ContentIsReadableAndBelongsToTheCommandUser) {
  const auto sandbox = Create(With(made_.layered));
  ASSERT_NE(sandbox, nullptr);
  EXPECT_EQ(OutputOf(*sandbox, absl::StrCat("cd ", kTarget,
                                            "; cat file; ls; dir/tool; stat -c '%U %a' file dir")),
            "two\ndir\nfile\nran\nagent 644\nagent 755\n");
  const std::string options =
      OutputOf(*sandbox, absl::StrCat("findmnt -no OPTIONS,FSTYPE ", kTarget));
  EXPECT_THAT(options, testing::MatchesRegex("ro,nosuid,nodev,.*overlay\n"));
  EXPECT_THAT(options, testing::Not(HasSubstr(world_->directory())));
  // What was made on the way belongs to whom its parent does: a command can make others there.
  EXPECT_EQ(OutputOf(*sandbox, "stat -c %U ~/.cache; mkdir ~/.cache/own && echo made"),
            "agent\nmade\n");
}

TEST_F(CacheTest, SeveralAreMountedEachWithItsOwnLayers) {
  CreateOptions options = With(made_.layered, "/opt/cache/a");
  options.caches.push_back({"", made_.whole, "/opt/cache/b"});
  options.caches.push_back({"", made_.layered, "/c"});
  options.snapshot = made_.whole;
  const auto sandbox = Create(options);
  ASSERT_NE(sandbox, nullptr);
  EXPECT_EQ(OutputOf(*sandbox,
                     "cat /opt/cache/a/file /opt/cache/b/file /opt/cache/b/gone /c/file "
                     "/workspace/file; ls -d /opt/cache/a/gone 2>/dev/null || true"),
            "two\none\nx\ntwo\none\n");
}

// Everything that a command, or user 0 inside, might try. Each line has to fail.
constexpr char kAttempts[] = R"sh(
attempt() { if "$@" 2>/dev/null; then echo "did: $*"; fi; }
try() { attempt sh -c "$1"; }
cd /home/agent/.cache/tools
try 'echo x > file'; try 'echo x >> file'; try 'echo x > new'; try 'rm file'; try 'mv file other'
try 'mv dir /tmp/dir'; try 'chmod 777 file'; try 'chown 1000 file'; try 'touch file'; try 'mkdir made'
try 'ln file hard'; try 'ln file /home/agent/hard'; try 'ln -s x soft'; try 'truncate -s 0 file'
try 'rmdir /home/agent/.cache/tools'; try 'mv /home/agent/.cache/tools /home/agent/moved'
try 'setfattr -n user.x -v y file'; try 'chattr +i file'; try 'mknod null c 1 3'
try 'echo x > /proc/self/root/home/agent/.cache/tools/file'; try 'echo x > /proc/self/cwd/file'
try 'exec 3<file; echo x > /proc/self/fd/3'; try 'echo x > /proc/1/root/home/agent/.cache/tools/file'
try 'mount -o remount,rw /home/agent/.cache/tools'
try 'mount -o remount,bind,rw /home/agent/.cache/tools'
try 'umount /home/agent/.cache/tools'; try 'umount -l /home/agent/.cache/tools'
try 'mount --bind /tmp /home/agent/.cache/tools'
try 'mount -t overlay o -o lowerdir=/tmp,upperdir=/home/agent/.cache/tools,workdir=/tmp /mnt'
try 'mount -t tmpfs t /home/agent/.cache/tools'
try 'python3 -c "import os, mmap; f = os.open(\"file\", os.O_RDWR)"'
try 'python3 -c "import os, mmap; f = os.open(\"file\", os.O_RDONLY); m = mmap.mmap(f, 4, mmap.MAP_SHARED, mmap.PROT_WRITE); m[0:1] = b\"X\""'
echo tried
)sh";

TEST_F(CacheTest, NothingInsideCanChangeIt) {
  const auto witness = Create(With(made_.layered));
  ASSERT_NE(witness, nullptr);
  const std::string look = absl::StrCat("cd ", kTarget,
                                        "; find . -printf '%p %m %s %U %T@\\n' | "
                                        "sort; cat file dir/tool");
  const std::string before = OutputOf(*witness, look);
  for (const bool root : {false, true}) {
    CreateOptions options = With(made_.layered);
    options.root_inside = root;
    const auto sandbox = Create(options);
    ASSERT_NE(sandbox, nullptr);
    EXPECT_EQ(OutputOf(*sandbox, kAttempts, root ? "0" : ""), "tried\n");
    EXPECT_EQ(OutputOf(*sandbox, look), before);
  }
  EXPECT_EQ(OutputOf(*witness, look), before);
  EXPECT_EQ(world_->manager().snapshots()->Verify(made_.layered), absl::OkStatus());
}

TEST_F(CacheTest, LinksFilesAndReadOnlyDirectoriesOnTheWayAreRefused) {
  for (const char* target :
       {"/bin/cache", "/lib/cache", "/etc/passwd", "/etc/passwd/below", "/usr/made"}) {
    const auto made = world_->manager().Create(With(made_.whole, target));
    EXPECT_EQ(ReasonOf(made.status()), "CACHE_TARGET_REFUSED") << target;
    EXPECT_EQ(made.status().code(), absl::StatusCode::kFailedPrecondition) << target;
  }
  EXPECT_TRUE(world_->manager().List().empty());
  // What is a plain directory there, also of a read-only one, will do.
  const auto sandbox = Create(With(made_.whole, "/usr/local/share/man"));
  ASSERT_NE(sandbox, nullptr);
  EXPECT_EQ(OutputOf(*sandbox, "cat /usr/local/share/man/file"), "one\n");
}

TEST_F(CacheTest, ALinkThatACommandPutsOnTheWayIsNotFollowedByAForkOrARestore) {
  const auto sandbox = Create(With(made_.whole, "/home/agent/a/b"));
  ASSERT_NE(sandbox, nullptr);
  ASSERT_TRUE(world_->manager().TakeCheckpoint(sandbox->id(), "good").ok());
  OutputOf(*sandbox, "mkdir -p ~/real/b && mv ~/a ~/moved && ln -s ~/real ~/a");
  const auto forked = world_->manager().Fork(sandbox->id(), {});
  ASSERT_TRUE(forked.ok()) << forked.status();
  ASSERT_EQ(forked->children.size(), 1u);
  EXPECT_EQ(ReasonOf(forked->children[0].status()), "CACHE_TARGET_REFUSED");
  ASSERT_TRUE(world_->manager().TakeCheckpoint(sandbox->id(), "bad").ok());
  const auto bad = world_->manager().RestoreCheckpoint(sandbox->id(), "bad");
  EXPECT_EQ(ReasonOf(bad.status()), "CACHE_TARGET_REFUSED");
  // It is stopped then, and can be put back to what was good.
  const auto good = world_->manager().RestoreCheckpoint(sandbox->id(), "good");
  ASSERT_TRUE(good.ok()) << good.status();
  EXPECT_EQ(OutputOf(*Find(sandbox->id()), "cat ~/a/b/file; ls ~"), "one\na\n");
}

TEST_F(CacheTest, AHostileCacheIsHarmless) {
  CreateOptions options;
  options.snapshot = made_.whole;
  const auto author = Create(options);
  ASSERT_NE(author, nullptr);
  OutputOf(*author,
           "cd /workspace; cp /usr/bin/id suid; chmod 6755 suid; ln -s /etc/shadow shadow; ln -s "
           "../../../../../../etc/passwd up; ln -s /proc/1/root proc; mkdir -m 0 closed; ln -s / "
           "all; mkdir etc; echo evil > etc/passwd; printf '\\377' > \"$(printf 'odd\\n\\377')\"");
  const auto captured = world_->manager().Capture(author->id());
  ASSERT_TRUE(captured.ok()) << captured.status();
  const auto sandbox = Create(With(captured->snapshot.digest, "/cache"));
  ASSERT_NE(sandbox, nullptr);
  EXPECT_EQ(OutputOf(*sandbox, "cd /cache; ./suid -u; ./suid -g"), "1000\n1000\n");
  EXPECT_EQ(OutputOf(*sandbox,
                     "cmp /cache/up /etc/passwd && cmp /cache/all/etc/passwd /etc/passwd"
                     "; ls /cache/proc/ 2>/dev/null | wc -l; cat /cache/etc/passwd"),
            "0\nevil\n");
  EXPECT_THAT(OutputOf(*sandbox, "cat /etc/passwd"), testing::Not(HasSubstr("evil")));
}

TEST_F(CacheTest, ASnapshotInUseAsACacheIsNeitherDeletedNorCollected) {
  SandboxManager& manager = world_->manager();
  const auto sandbox = Create(With(made_.layered));
  ASSERT_NE(sandbox, nullptr);
  EXPECT_EQ(ReasonOf(manager.snapshots()->Delete(made_.layered)), "SNAPSHOT_IN_USE");
  const auto collected = manager.Collect({{0, 0}, absl::ZeroDuration(), /*dry_run=*/true});
  ASSERT_TRUE(collected.ok()) << collected.status();
  for (const SnapshotInfo& info : collected->removed) {
    EXPECT_NE(info.digest, made_.layered);
    EXPECT_NE(info.digest, made_.whole);  // a layer of it
  }
}

TEST_F(CacheTest, LocksAndWatchesAreEachSandboxesOwn) {
  const auto one = Create(With(made_.whole));
  const auto two = Create(With(made_.whole));
  ASSERT_TRUE(one != nullptr && two != nullptr);
  const auto holder = one->StartExec(
      "holder", Shell(absl::StrCat("flock -x ", kTarget, "/file sh -c 'echo held; sleep 1000'")));
  ASSERT_TRUE(holder.ok()) << holder.status();
  AwaitOutput(*holder);
  EXPECT_EQ(OutputOf(*two, absl::StrCat("flock -xn ", kTarget, "/file echo free")), "free\n");
}

TEST_F(CacheTest, ItsBytesAreOnTheHostAndInMemoryOnce) {
  constexpr uint64_t kBytes = 48 * kMiB;
  CreateOptions options;
  options.snapshot = made_.whole;
  const auto author = Create(options);
  ASSERT_NE(author, nullptr);
  OutputOf(*author, "head -c 48M /dev/urandom > /workspace/large");
  const auto captured = world_->manager().Capture(author->id());
  ASSERT_TRUE(captured.ok()) << captured.status();
  const uint64_t before = HostBytes();
  const auto one = Create(With(captured->snapshot.digest, "/cache"));
  const auto two = Create(With(captured->snapshot.digest, "/cache"));
  ASSERT_TRUE(one != nullptr && two != nullptr);
  const std::string first = OutputOf(*one, "sha256sum /cache/large");
  EXPECT_EQ(OutputOf(*two, "sha256sum /cache/large"), first);
  EXPECT_LT(HostBytes() - before, kBytes / 4);
  // Pages are charged to who reads them first.
  const auto usage = two->Usage();
  ASSERT_TRUE(usage.ok()) << usage.status();
  EXPECT_LT(usage->memory_peak_bytes, kBytes / 2);
}

TEST_F(CacheTest, ForksAndRestoresHaveTheParents) {
  const auto parent = Create(With(made_.whole));
  ASSERT_NE(parent, nullptr);
  ForkOptions two;
  two.count = 2;
  const auto forked = world_->manager().Fork(parent->id(), two);
  ASSERT_TRUE(forked.ok()) << forked.status();
  const std::string cat = absl::StrCat("cat ", kTarget, "/file");
  for (const auto& child : forked->children) {
    ASSERT_TRUE(child.ok()) << child.status();
    EXPECT_THAT(child->caches, ElementsAre(CacheMount{"", made_.whole, kTarget}));
    EXPECT_EQ(OutputOf(*Find(child->id), cat), "one\n");
  }
  ASSERT_TRUE(world_->manager().TakeCheckpoint(parent->id(), "c").ok());
  ASSERT_TRUE(world_->manager().RestoreCheckpoint(parent->id(), "c").ok());
  EXPECT_EQ(OutputOf(*Find(parent->id()), cat), "one\n");
  EXPECT_EQ(ReasonOf(world_->manager().snapshots()->Delete(made_.whole)), "SNAPSHOT_IN_USE");
}

TEST_F(CacheTest, ANameIsWhatItMeantWhenTheSandboxWasMade) {
  ASSERT_TRUE(names().Set("uid:1", "tools", made_.whole, false).ok());
  CreateOptions options;
  options.owner = "uid:1";
  options.request_id = "once";
  options.caches = {{"tools", "", kTarget}};
  const auto first = world_->manager().Create(options);
  ASSERT_TRUE(first.ok()) << first.status();
  EXPECT_THAT(first->caches, ElementsAre(CacheMount{"tools", made_.whole, kTarget}));
  ASSERT_TRUE(names().Set("uid:1", "tools", made_.layered, false).ok());
  const std::string cat = absl::StrCat("cat ", kTarget, "/file");
  EXPECT_EQ(OutputOf(*Find(first->id), cat), "one\n");
  const auto again = world_->manager().Create(options);  // a retry is the same request
  ASSERT_TRUE(again.ok()) << again.status();
  EXPECT_EQ(again->id, first->id);
  options.request_id = "";
  const auto second = world_->manager().Create(options);
  ASSERT_TRUE(second.ok()) << second.status();
  EXPECT_EQ(OutputOf(*Find(second->id), cat), "two\n");
  options.owner = "uid:2";  // to whom it means nothing
  EXPECT_EQ(ReasonOf(world_->manager().Create(options).status()), "CACHE_NOT_FOUND");
}

TEST_F(CacheTest, ANameKeepsItsSnapshotAndNoNameHasTwoMeanings) {
  SandboxManager& manager = world_->manager();
  ASSERT_TRUE(names().Set("uid:1", "mine", made_.layered, false).ok());
  ASSERT_TRUE(names().Set("uid:0", "all", made_.layered, true).ok());
  EXPECT_EQ(ReasonOf(manager.snapshots()->Delete(made_.layered)), "SNAPSHOT_IN_USE");
  const auto reason = [](const auto& made) { return ReasonOf(made.status()); };
  EXPECT_EQ(reason(names().Set("uid:1", "all", made_.whole, false)), "CACHE_NAME_TAKEN");
  EXPECT_EQ(reason(names().Set("uid:0", "mine", made_.whole, true)), "CACHE_NAME_TAKEN");
  EXPECT_TRUE(names().Set("uid:2", "mine", made_.whole, false).ok());  // its own
  std::vector<Layer> layers;
  EXPECT_EQ(names().Resolve("uid:2", "mine", &layers).value_or(""), made_.whole);
  EXPECT_EQ(names().Resolve("uid:3", "all", &layers).value_or(""), made_.layered);
  EXPECT_EQ(reason(names().Resolve("uid:3", "mine", &layers)), "CACHE_NOT_FOUND");
  layers.clear();
  const std::string unknown = "sha256:" + std::string(64, '0');
  EXPECT_EQ(reason(names().Set("uid:1", "none", unknown, false)), "SNAPSHOT_NOT_FOUND");
  EXPECT_EQ(reason(names().Set("uid:1", "Bad name", made_.whole, false)), "INVALID_FIELD");
  for (size_t i = 1; i < kCacheNamesMax; ++i) {
    ASSERT_TRUE(names().Set("uid:1", absl::StrCat("n", i), made_.whole, false).ok()) << i;
  }
  EXPECT_EQ(reason(names().Set("uid:1", "more", made_.whole, false)), "CLIENT_QUOTA");
  EXPECT_TRUE(names().Set("uid:1", "n1", made_.layered, false).ok());  // in place of one
  EXPECT_TRUE(names().Set("uid:4", "more", made_.whole, false).ok());
}

class LastingCacheTest : public LastingWorldTest {};

TEST_F(LastingCacheTest, CachesAndNamesOutliveTheDaemon) {
  SandboxManager* manager = &NextDaemon();
  const Made made = MakeSnapshots(*manager, directory_);
  ASSERT_TRUE(manager->caches()->Set("uid:1", "tools", made.layered, false).ok());
  CreateOptions options;
  options.owner = "uid:1";
  options.caches = {{"tools", "", kTarget}};
  const auto info = manager->Create(options);
  ASSERT_TRUE(info.ok()) << info.status();
  ASSERT_TRUE(manager->caches()->Set("uid:1", "tools", made.whole, false).ok());

  manager = &NextDaemon();
  const auto sandbox = manager->Find(info->id);
  ASSERT_TRUE(sandbox.ok()) << sandbox.status();
  EXPECT_EQ((*sandbox)->state(), SandboxState::kRunning) << (*sandbox)->stop_reason();
  EXPECT_THAT(manager->Get(info->id)->caches,
              ElementsAre(CacheMount{"tools", made.layered, kTarget}));
  EXPECT_EQ(ReasonOf(manager->snapshots()->Delete(made.layered)), "SNAPSHOT_IN_USE");
  EXPECT_EQ(ReasonOf(manager->snapshots()->Delete(made.whole)), "SNAPSHOT_IN_USE");
  const std::string cat = absl::StrCat("cat ", kTarget, "/file");
  EXPECT_EQ(OutputOf(**sandbox, cat), "two\n");
  // What is made of an adopted one has it, too.
  const auto forked = manager->Fork(info->id, {});
  ASSERT_TRUE(forked.ok() && forked->children[0].ok()) << forked.status();
  EXPECT_EQ(OutputOf(**manager->Find(forked->children[0]->id), cat), "two\n");
  ASSERT_TRUE(manager->TakeCheckpoint(info->id, "c").ok());
  ASSERT_TRUE(manager->RestoreCheckpoint(info->id, "c").ok());
  EXPECT_EQ(OutputOf(**manager->Find(info->id), cat), "two\n");
  std::vector<Layer> layers;
  EXPECT_EQ(manager->caches()->Resolve("uid:1", "tools", &layers).value_or(""), made.whole);
}

}  // namespace
}  // namespace glovebox
