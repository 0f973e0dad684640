// Sandboxes with the files of another one.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <thread>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "base/clock.h"
#include "base/status.h"
#include "changes/upper_scan.h"
#include "tests/support/suite_world.h"

namespace glovebox {
namespace {

class ForkTest : public SuiteWorld<ForkTest> {
 protected:
  void TearDown() override {
    for (const SandboxInfo& info : world_->manager().List()) {
      EXPECT_EQ(world_->manager().Delete(info.id), absl::OkStatus());
    }
  }

  static std::vector<std::shared_ptr<Sandbox>> Fork(const Sandbox& parent, uint32_t count,
                                                    ForkOutcome* told = nullptr) {
    ForkOptions options;
    options.count = count;
    auto outcome = world_->manager().Fork(parent.id(), options);
    EXPECT_TRUE(outcome.ok()) << outcome.status();
    std::vector<std::shared_ptr<Sandbox>> children;
    if (!outcome.ok()) return children;
    for (const auto& child : outcome->children) {
      EXPECT_TRUE(child.ok()) << child.status();
      if (child.ok()) children.push_back(Find(child->id));
    }
    if (told != nullptr) *told = *std::move(outcome);
    return children;
  }
  static std::string Run(Sandbox& sandbox, const std::string& script) {
    const auto outcome = RunIn(sandbox, Shell(script));
    EXPECT_TRUE(outcome.ok()) << outcome.status();
    if (!outcome.ok()) return "";
    EXPECT_EQ(outcome->result.exit_code, 0) << script << ": " << outcome->err;
    return outcome->out;
  }
};

constexpr char kMakeFiles[] =
    "umask 022; cd; mkdir -p d/e; echo one > d/e/f; ln d/e/f link; ln -s nowhere soft; : > empty; "
    "chmod 4711 empty; printf 'x' | dd of=sparse bs=1 seek=10000000 2>/dev/null; mv d moved; "
    "mkfifo pipe; touch -d @1000000000 old; n=$(printf 'a\\nb\\377'); echo odd > \"$n\"";
constexpr char kShowFiles[] =
    "cd; find . -printf '%p %y %m %n %s %T@ %i %l\\n' | sort | sha256sum; cat moved/e/f link; "
    "sha256sum < sparse";

TEST_F(ForkTest, AChildHasTheParentsFilesExactlyAndTheParentRunsOn) {
  auto parent = Create();
  ASSERT_NE(parent, nullptr);
  Run(*parent, kMakeFiles);
  const auto talker = parent->StartExec(
      "talker", Shell("echo up; while [ ! -e ~/stop ]; do sleep 0.01; done; exit 7"));
  ASSERT_TRUE(talker.ok()) << talker.status();
  AwaitOutput(*talker);
  const std::string shown = Run(*parent, kShowFiles);
  ForkOutcome told;
  const auto children = Fork(*parent, 3, &told);
  ASSERT_EQ(children.size(), 3u);
  EXPECT_TRUE(told.frozen.has_value());
  EXPECT_GE(told.processes_not_copied, 1u);
  for (const auto& child : children) {
    EXPECT_EQ(Run(*child, kShowFiles), shown);
    EXPECT_EQ(Run(*child, "ps -eo args= | grep -c '[s]top' || true"), "0\n") << "no process";
    EXPECT_EQ(child->ListExecs().size(), 2u) << "no exec of the parent's";
    EXPECT_EQ(world_->manager().Get(child->id())->parent, parent->id());
  }
  // Each is its own.
  Run(*children[0], "cd; rm -r moved; echo two > link; mv pipe other");
  EXPECT_EQ(Run(*children[1], kShowFiles), shown);
  EXPECT_EQ(Run(*parent, kShowFiles), shown);
  Run(*parent, "touch ~/stop");
  EXPECT_EQ(Collect(*talker)->result.exit_code, 7);
}

TEST_F(ForkTest, ChangesOfAChildAreTheParentsSoFarAndItsOwn) {
  auto parent = Create();
  ASSERT_NE(parent, nullptr);
  Run(*parent, "cd; echo a > parents");
  const auto children = Fork(*parent, 1);
  ASSERT_EQ(children.size(), 1u);
  Run(*parent, "echo b > ~/later");
  Run(*children[0], "echo c > ~/own");
  const auto grandchildren = Fork(*children[0], 1);
  ASSERT_EQ(grandchildren.size(), 1u);
  const RealClock clock;
  for (const auto& one : {children[0], grandchildren[0]}) {
    const auto files = one->OpenFiles();
    ASSERT_TRUE(files.ok()) << files.status();
    const auto scan = ScanUpper(files->View("home/agent"), ScanOptions{}, clock);
    ASSERT_TRUE(scan.ok()) << scan.status();
    std::vector<std::string> paths;
    for (const Change& change : scan->changes) paths.push_back(change.path);
    EXPECT_THAT(paths, ::testing::ElementsAre("own", "parents"));
  }
}

TEST_F(ForkTest, TheDiskLimitHoldsAcrossForks) {
  CreateOptions options;
  options.limits.disk_bytes = uint64_t{64} << 20;
  options.limits.disk_inodes = 1024;
  auto parent = Create(options);
  ASSERT_NE(parent, nullptr);
  // Also what is deleted and still open, which no listing shows.
  const auto holder = parent->StartExec(
      "holder", Shell("exec 3> ~/gone; rm ~/gone; head -c 20M /dev/zero >&3; echo up; sleep 1000"));
  ASSERT_TRUE(holder.ok());
  AwaitOutput(*holder);
  Run(*parent, "head -c 20M /dev/zero > ~/kept");
  std::shared_ptr<Sandbox> one = parent;
  for (int generation = 0; generation < 3; ++generation) {
    const auto children = Fork(*one, 1);
    ASSERT_EQ(children.size(), 1u);
    one = children[0];
    const auto usage = one->Usage();
    ASSERT_TRUE(usage.ok()) << usage.status();
    EXPECT_LE(usage->disk_bytes_limit, options.limits.disk_bytes);
    EXPECT_GE(usage->disk_bytes_used, uint64_t{20} << 20) << "the parent's files count";
    EXPECT_LE(usage->disk_inodes_limit, 1100u);
  }
  const auto filled = RunIn(*one, Shell("head -c 70M /dev/zero > ~/more"));
  ASSERT_TRUE(filled.ok()) << filled.status();
  EXPECT_EQ(filled->result.cause, ExecResult::Cause::kDiskFull);
}

TEST_F(ForkTest, ARepeatedRequestMakesNoMoreChildren) {
  auto parent = Create();
  ASSERT_NE(parent, nullptr);
  ForkOptions options;
  options.request_id = "again";
  options.count = 2;
  options.labels = {{"try", "1"}};
  options.pids_max = 50;
  const auto first = world_->manager().Fork(parent->id(), options);
  ASSERT_TRUE(first.ok()) << first.status();
  const auto second = world_->manager().Fork(parent->id(), options);
  ASSERT_TRUE(second.ok()) << second.status();
  EXPECT_FALSE(second->frozen.has_value());
  for (int i = 0; i < 2; ++i) {
    ASSERT_TRUE(first->children[i].ok() && second->children[i].ok());
    EXPECT_EQ(first->children[i]->id, second->children[i]->id);
    EXPECT_EQ(first->children[i]->limits.pids_max, 50u);
    EXPECT_EQ(first->children[i]->labels.at("try"), "1");
  }
  options.labels = {{"try", "2"}};
  const auto other = world_->manager().Fork(parent->id(), options);
  ASSERT_TRUE(other.ok()) << other.status();
  EXPECT_EQ(other->children[0].status().code(), absl::StatusCode::kAlreadyExists);
  EXPECT_EQ(world_->manager().List().size(), 3u);
}

TEST_F(ForkTest, APausedSandboxCanBeForkedAndStaysPaused) {
  auto parent = Create();
  ASSERT_NE(parent, nullptr);
  Run(*parent, "echo kept > ~/file");
  ASSERT_EQ(parent->Pause(), absl::OkStatus());
  const auto children = Fork(*parent, 1);
  ASSERT_EQ(children.size(), 1u);
  EXPECT_EQ(parent->state(), SandboxState::kPaused);
  EXPECT_EQ(Run(*children[0], "cat ~/file"), "kept\n");
}

TEST_F(ForkTest, ADeletedOrUnknownSandboxCannotBeForked) {
  auto parent = Create();
  ASSERT_NE(parent, nullptr);
  ASSERT_EQ(world_->manager().Delete(parent->id()), absl::OkStatus());
  EXPECT_EQ(world_->manager().Fork(parent->id(), {}).status().code(), absl::StatusCode::kNotFound);
  EXPECT_FALSE(parent->CopyFiles().ok());
}

TEST_F(ForkTest, WhoDeletesTheParentDoesNotWaitForItsCopies) {
  auto parent = Create();
  ASSERT_NE(parent, nullptr);
  Run(*parent, "head -c 20M /dev/urandom > ~/big");
  // A copy asks between its parts whether it is still wanted: at the first one the deletion comes.
  std::thread deletion;
  const auto copy = parent->CopyFiles([&] {
    if (!deletion.joinable()) {
      deletion = std::thread([&] {
        EXPECT_EQ(world_->manager().Delete(parent->id(), Sandbox::CleanUp::kWait),
                  absl::OkStatus());
      });
      // Refused once the deletion has come as far as to the copies.
      while (parent->Resume().ok()) std::this_thread::yield();
    }
    return false;
  });
  if (!deletion.joinable()) {  // a file system that shares blocks copies none
    EXPECT_EQ(copy.status(), absl::OkStatus());
    return;
  }
  deletion.join();
  EXPECT_EQ(copy.status().code(), absl::StatusCode::kFailedPrecondition) << copy.status();
}

// The moment is one: what a payload does in an order is never seen out of it, however fast it
// writes, renames, maps and drops files, and the file system of every child is whole.
TEST_F(ForkTest, ForksOfASandboxThatFloodsItsDiskAreOfOneMomentEach) {
  CreateOptions options;
  options.limits.disk_bytes = uint64_t{256} << 20;
  auto parent = Create(options);
  ASSERT_NE(parent, nullptr);
  const auto ordered = parent->StartExec(
      "ordered", Shell("cd; i=0; echo 0 > a; echo 0 > b; echo up; while :; do i=$((i+1)); "
                       "echo $i > ta; mv ta a; echo $i > tb; mv tb b; done"));
  ASSERT_TRUE(ordered.ok());
  AwaitOutput(*ordered);
  const auto flood = parent->StartExec(
      "flood", Shell("cd; mkdir -p s; echo up; while :; do for n in 1 2 3 4 5 6 7 8; do "
                     "head -c 100000 /dev/zero > s/$n; ln -f s/$n s/l$n; ln -sfn / s/x; rm -f s/x; "
                     "mkdir -p s/x; rmdir s/x; exec 3> s/gone; rm s/gone; echo lost >&3; done; "
                     "rm -rf s; mkdir s; done"));
  ASSERT_TRUE(flood.ok());
  AwaitOutput(*flood);
  for (int round = 0; round < 5; ++round) {
    const auto children = Fork(*parent, 2);
    ASSERT_EQ(children.size(), 2u);
    for (const auto& child : children) {
      const std::vector<std::string> numbers =
          absl::StrSplit(Run(*child, "cd; cat a b"), '\n', absl::SkipEmpty());
      ASSERT_EQ(numbers.size(), 2u);
      int a = 0;
      int b = 0;
      ASSERT_TRUE(absl::SimpleAtoi(numbers[0], &a) && absl::SimpleAtoi(numbers[1], &b));
      EXPECT_TRUE(a == b || a == b + 1) << a << " and " << b;
      // Reads all of it, and then uses what the file system thinks is free.
      Run(*child,
          "cd; find . -type f -exec cat {} + > /dev/null; rm -rf s; "
          "head -c 50M /dev/zero > fill; sync; rm fill");
      EXPECT_EQ(world_->manager().Delete(child->id()), absl::OkStatus());
    }
  }
}

}  // namespace
}  // namespace glovebox
