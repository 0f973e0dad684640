// Repositories become sandboxes: git runs in a worker sandbox, the second sandbox copies nothing.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>

#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "tests/support/suite_world.h"

namespace glovebox {
namespace {

using ::testing::HasSubstr;

class RepositoryTest : public SuiteWorld<RepositoryTest> {
 protected:
  static void SetUpTestSuite() {
    SuiteWorld::SetUpTestSuite();
    ASSERT_NE(world_, nullptr);
    Shell0(
        "git init -q -b main repo && cd repo && git config user.name t && git config user.email "
        "t@t "
        "&& mkdir -p src && echo one > src/a && echo two > b && chmod +x b && ln -s b link "
        "&& git add -A && git commit -qm first && git tag v1 && echo three >> b && git commit -qam "
        "second");
  }

  // On a repository of our own; trusted.
  static void Shell0(const std::string& script) {
    const std::string command = absl::StrCat("cd ", world_->directory(), " && ", script);
    ASSERT_EQ(std::system(command.c_str()), 0) << script;
  }
  static RepositorySource Source(const std::string& revision) {
    return {absl::StrCat(world_->directory(), "/repo"), revision};
  }
  static std::string ReasonOf(const absl::Status& status) {
    const auto detail = GetErrorDetail(status);
    return detail.has_value() ? detail->reason : "";
  }
  static std::string In(const std::string& id, const std::string& script) {
    auto sandbox = world_->manager().Find(id);
    EXPECT_TRUE(sandbox.ok());
    auto outcome = RunIn(**sandbox, Shell(script));
    EXPECT_TRUE(outcome.ok()) << outcome.status();
    return outcome->out + outcome->err;
  }
};

TEST_F(RepositoryTest, ASandboxStartsInACleanCheckoutOfTheCommit) {
  CreateOptions options;
  options.repository = Source("main");
  auto info = world_->manager().Create(options);
  ASSERT_TRUE(info.ok()) << info.status();
  EXPECT_EQ(info->workdir, "/workspace");
  EXPECT_EQ(In(info->id,
               "pwd; cat b; stat -c %A b; readlink link; git status --short; git log --format=%s"),
            "/workspace\ntwo\nthree\n-rwxr-xr-x\nb\nsecond\nfirst\n");
  EXPECT_EQ(In(info->id, "git remote; grep -r gbw .git | head"), "");
  EXPECT_EQ(In(info->id, "echo x >> src/a && git commit -qam inside && git log --format=%s -n 1"),
            "inside\n");
  EXPECT_TRUE(world_->manager().Delete(info->id).ok());
}

TEST_F(RepositoryTest, TheSecondSandboxAtACommitUsesTheSameSnapshot) {
  CreateOptions options;
  options.repository = Source("v1");
  auto first = world_->manager().Create(options);
  auto second = world_->manager().Create(options);
  ASSERT_TRUE(first.ok() && second.ok()) << first.status() << second.status();
  EXPECT_EQ(first->snapshot, second->snapshot);
  EXPECT_EQ(In(second->id, "cat b"), "two\n");
  EXPECT_EQ(In(first->id, "echo mine > b; cat b"), "mine\n");
  EXPECT_EQ(In(second->id, "cat b"), "two\n");
  EXPECT_EQ(ReasonOf(world_->manager().snapshots()->Delete(first->snapshot)), "SNAPSHOT_IN_USE");
  EXPECT_TRUE(world_->manager().Delete(first->id).ok());
  EXPECT_TRUE(world_->manager().Delete(second->id).ok());
}

TEST_F(RepositoryTest, TheNextCommitIsALayerOverTheOneBeforeAndGitSeesNoDifference) {
  Shell0(
      "cp -r repo next && cd next && mkdir many && for i in $(seq 300); do echo $i > many/$i; done "
      "&& git add -A && git commit -qm many && git tag many && git rm -qr many/1 many/2 && "
      "echo x > many/3 && git commit -qam 'fourth'");
  CreateOptions options;
  options.repository = RepositorySource{absl::StrCat(world_->directory(), "/next"), "many"};
  auto first = world_->manager().Create(options);
  options.repository->revision = "main";
  auto second = world_->manager().Create(options);
  ASSERT_TRUE(first.ok() && second.ok()) << first.status() << second.status();
  auto snapshot = world_->manager().snapshots()->Find(second->snapshot);
  ASSERT_TRUE(snapshot.ok()) << snapshot.status();
  EXPECT_EQ(snapshot->parent, first->snapshot);
  EXPECT_EQ(In(second->id,
               "ls many | wc -l; cat many/3; git status --porcelain; git fsck --full; "
               "git log --format=%s -n 2; git show-ref --heads | wc -l; git diff-index HEAD"),
            "298\nx\nfourth\nmany\n1\n");
  EXPECT_EQ(In(second->id,
               "rm many/4; echo y > many/5; git commit -qam inside; git status --porcelain; "
               "git checkout -q many; ls many | wc -l; git status --porcelain"),
            "300\n");
  EXPECT_EQ(ReasonOf(world_->manager().snapshots()->Delete(first->snapshot)), "SNAPSHOT_IN_USE");
  EXPECT_TRUE(world_->manager().Delete(first->id).ok());
  EXPECT_TRUE(world_->manager().Delete(second->id).ok());
}

TEST_F(RepositoryTest, HistoryIsAsMuchAsWasAskedFor) {
  CreateOptions options;
  options.repository = Source("main");
  options.repository->history = History::kShallow;
  auto shallow = world_->manager().Create(options);
  options.repository->history = History::kNone;
  auto none = world_->manager().Create(options);
  ASSERT_TRUE(shallow.ok() && none.ok()) << shallow.status() << none.status();
  EXPECT_EQ(In(shallow->id, "git log --format=%s; git status --porcelain; git fsck; git branch"),
            "second\n* main\n");
  EXPECT_EQ(In(none->id, "ls -A; cat b"), "b\nlink\nsrc\ntwo\nthree\n");
  EXPECT_TRUE(world_->manager().Delete(shallow->id).ok());
  EXPECT_TRUE(world_->manager().Delete(none->id).ok());
}

TEST_F(RepositoryTest, WhatIsNotThereIsSaidByKind) {
  CreateOptions options;
  options.repository = Source("no-such-branch");
  EXPECT_EQ(ReasonOf(world_->manager().Create(options).status()), "COMMIT_NOT_FOUND");
  options.repository = RepositorySource{absl::StrCat(world_->directory(), "/nothing"), ""};
  EXPECT_EQ(ReasonOf(world_->manager().Create(options).status()), "REPOSITORY_NOT_FOUND");
  EXPECT_TRUE(world_->manager().List().empty());
}

TEST_F(RepositoryTest, ACorruptRepositoryIsRefusedAndLeavesNothing) {
  Shell0(
      "cp -r repo broken && find broken/.git/objects -type f -exec sh -c 'chmod u+w {} && echo rot "
      "> {}' \\;");
  CreateOptions options;
  options.repository = RepositorySource{absl::StrCat(world_->directory(), "/broken"), "main"};
  const absl::Status status = world_->manager().Create(options).status();
  EXPECT_FALSE(status.ok());
  EXPECT_THAT(ReasonOf(status), ::testing::AnyOf("REPOSITORY_INVALID", "COMMIT_NOT_FOUND"))
      << status;
}

// CrossSandbox, Escape: what a repository's own configuration makes git run.
TEST_F(RepositoryTest, HooksFiltersAndFsmonitorOfTheRepositoryDoNotRunOnTheHost) {
  const std::string pwned = absl::StrCat(world_->directory(), "/pwned");
  Shell0(absl::StrCat("cp -r repo evil && cd evil && mkdir hooks && printf '#!/bin/sh\\ntouch ",
                      pwned,
                      "\\n' > hooks/post-checkout && chmod +x hooks/post-checkout && "
                      "echo '* filter=x' > .gitattributes && git add .gitattributes && "
                      "git commit -qm evil && git config core.fsmonitor 'touch ",
                      pwned,
                      "; false' && git config core.hooksPath $PWD/hooks && "
                      "git config filter.x.smudge 'touch ",
                      pwned, "; cat'"));
  CreateOptions options;
  options.repository = RepositorySource{absl::StrCat(world_->directory(), "/evil"), "main"};
  auto info = world_->manager().Create(options);
  ASSERT_TRUE(info.ok()) << info.status();
  EXPECT_EQ(In(info->id, "cat src/a"), "one\n");  // the control: the repository itself is usable
  std::ifstream canary(pwned);
  EXPECT_FALSE(canary.good());
  EXPECT_TRUE(world_->manager().Delete(info->id).ok());
}

TEST_F(RepositoryTest, WithoutAWayOutNothingIsFetched) {
  const auto url = RepositoryUrl::Parse("https://git.example/a", "url");
  ASSERT_TRUE(url.ok()) << url.status();
  const absl::Status status =
      world_->manager().ImportRemote({*url, "main"}, "", nullptr, nullptr).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(ReasonOf(status), "CAPABILITY_MISSING");
  EXPECT_THAT(std::string(status.message()), HasSubstr("network"));
}

}  // namespace
}  // namespace glovebox
