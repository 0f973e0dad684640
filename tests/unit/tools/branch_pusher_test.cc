// Bundles that no worker would write, against the real git.
#include "tools/glovebox/branch_pusher.h"

#include <gtest/gtest.h>

#include <cstdio>
#include <cstdlib>
#include <fstream>

#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"

namespace glovebox {
namespace {

// What a shell prints in the directory, or "failed".
std::string Shell(const std::string& directory, const std::string& script) {
  const std::string command = absl::StrCat(
      "cd '", directory,
      "' && export GIT_CONFIG_GLOBAL=/dev/null GIT_CONFIG_NOSYSTEM=1 GIT_AUTHOR_NAME=a "
      "GIT_AUTHOR_EMAIL=a@b GIT_COMMITTER_NAME=a GIT_COMMITTER_EMAIL=a@b && set -e && ",
      script);
  FILE* pipe = ::popen(command.c_str(), "re");
  if (pipe == nullptr) return "failed";
  std::string out;
  char buffer[4096];
  while (::fgets(buffer, sizeof(buffer), pipe) != nullptr) out += buffer;
  return ::pclose(pipe) == 0 ? std::string(absl::StripSuffix(out, "\n")) : "failed";
}

class BranchPusherTest : public testing::Test {
 protected:
  void SetUp() override {
    auto git = ClientGit::Make();
    ASSERT_TRUE(git.ok()) << git.status();
    git_ = *std::move(git);
    place_ = absl::StrCat(git_->directory(), "/test");
    // `source` is ahead of `target.git` by one commit.
    commit_ = Shell(git_->directory(),
                    "mkdir test; cd test; git init -q -b main source; cd source; seq 500 >x; "
                    "git add x; git commit -qm base; git clone -q --bare . ../target.git; "
                    "echo 1 >>x; git commit -qam more; git rev-parse HEAD");
    ASSERT_EQ(commit_.size(), 40U);
    base_ = Shell(place_, "git -C source rev-parse HEAD~1");
    ASSERT_EQ(Shell(place_, "git -C source pack-objects --revs --stdout --thin -q >pack <<END\n" +
                                commit_ + "\n^" + base_ + "\nEND"),
              "");
  }

  std::string ReadFile(const std::string& name) const {
    std::ifstream file(absl::StrCat(place_, "/", name), std::ios::binary);
    return std::string(std::istreambuf_iterator<char>(file), {});
  }

  absl::StatusOr<PushedBranch> Push(const std::string& bundle, bool force = false) {
    const std::string path = absl::StrCat(place_, "/bundle");
    std::ofstream(path, std::ios::binary) << bundle;
    BranchPusher pusher(git_.get(), *ParsePushTarget(absl::StrCat(place_, "/target.git")),
                        [](absl::string_view) {});
    return pusher.Push({path, commit_, "fix", force});
  }

  std::string Head(const std::string& reference) const {
    return absl::StrCat("# v2 git bundle\n-", base_, " base\n", commit_, " ", reference, "\n\n");
  }

  void ExpectRefused(const std::string& bundle, const std::string& words) {
    const auto pushed = Push(bundle);
    EXPECT_FALSE(pushed.ok());
    EXPECT_NE(pushed.status().message().find(words), absl::string_view::npos) << pushed.status();
    EXPECT_EQ(Shell(place_, "git -C target.git for-each-ref --format='%(refname)'"),
              "refs/heads/main");
  }

  std::unique_ptr<ClientGit> git_;
  std::string place_, commit_, base_;
};

TEST_F(BranchPusherTest, TheReferencesNameInTheBundleIsNobodysBranch) {
  for (const char* name : {"HEAD", "refs/heads/other", "refs/heads/../../../x", "refs/heads/-x",
                           "refs/replace/1", "../../config", "refs/heads/\x1b[31m"}) {
    const auto pushed = Push(Head(name) + ReadFile("pack"), true);
    ASSERT_TRUE(pushed.ok()) << name << pushed.status();
    EXPECT_EQ(pushed->commit, commit_);
    EXPECT_EQ(Shell(place_, "git -C target.git for-each-ref --format='%(refname)'"),
              "refs/heads/fix\nrefs/heads/main");
  }
  EXPECT_EQ(Shell(place_, "git -C target.git rev-parse fix"), commit_);
}

TEST_F(BranchPusherTest, AnotherCommitThanAskedForIsRefused) {
  const std::string asked = commit_;
  const std::string bundle = Head("refs/heads/fix") + ReadFile("pack");
  commit_ = base_;
  ExpectRefused(bundle, "not what was asked for: it has " + asked);
}

TEST_F(BranchPusherTest, ADamagedMissingOrForeignPackIsRefused) {
  const std::string pack = ReadFile("pack");
  std::string damaged = pack;
  damaged[damaged.size() / 2] = static_cast<char>(damaged[damaged.size() / 2] ^ 1);
  for (const std::string& body : {damaged, pack.substr(0, pack.size() / 2), std::string(),
                                  std::string("PACK"), std::string(1000, '\xff')}) {
    ExpectRefused(Head("HEAD") + body, "git refuses the sandbox's commits");
  }
  ASSERT_EQ(Shell(place_,
                  "git -C source pack-objects --revs --stdout -q >other <<END\n" + base_ + "\nEND"),
            "");
  ExpectRefused(Head("HEAD") + ReadFile("other"), "the export has no commit");
}

TEST_F(BranchPusherTest, ACommitWithoutItsFilesIsRefused) {
  ASSERT_EQ(
      Shell(place_, "git -C source pack-objects --stdout -q >part <<END\n" + commit_ + "\nEND"),
      "");
  ExpectRefused(Head("HEAD") + ReadFile("part"), "git refuses the sandbox's commits");
}

TEST_F(BranchPusherTest, ABaseThatTheTargetHasNotIsNamed) {
  base_ = std::string(40, 'b');
  ExpectRefused(Head("HEAD") + ReadFile("pack"), "has no commit " + base_);
}

}  // namespace
}  // namespace glovebox
