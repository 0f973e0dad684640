// States of a sandbox's files to go back to in place.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <thread>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "base/ids.h"
#include "base/status.h"
#include "linux/process.h"
#include "tests/support/lasting_world.h"
#include "tests/support/suite_world.h"

namespace glovebox {
namespace {

std::string ReasonOf(const absl::Status& status) {
  const auto detail = GetErrorDetail(status);
  return detail.has_value() ? detail->reason : std::string(status.message());
}

std::string OutputOf(Sandbox& sandbox, const std::string& script) {
  const auto outcome = RunIn(sandbox, Shell(script));
  EXPECT_TRUE(outcome.ok()) << outcome.status();
  if (!outcome.ok()) return "";
  EXPECT_EQ(outcome->result.exit_code, 0) << script << ": " << outcome->err;
  return outcome->out;
}

// Without the inode numbers of directories, which overlayfs makes up at each mount.
constexpr char kShowFiles[] =
    "cd; find . -printf '%p %y %m %n %s %T@ %l\\n' | sort; find . ! -type d -printf '%p %i\\n' | "
    "sort;"
    "find . -type f -exec sha256sum {} + | sort";

class CheckpointTest : public SuiteWorld<CheckpointTest> {
 protected:
  void TearDown() override {
    for (const SandboxInfo& info : world_->manager().List()) {
      EXPECT_EQ(world_->manager().Delete(info.id, Sandbox::CleanUp::kWait), absl::OkStatus());
    }
    // Image files go behind the answer; the deletion above has waited for those before it.
    EXPECT_TRUE(std::filesystem::is_empty(world_->directory() + "/disks/images"));
    EXPECT_TRUE(std::filesystem::is_empty(world_->directory() + "/run"));
    EXPECT_TRUE(std::filesystem::is_empty(world_->directory() + "/output"));
  }
  static CheckpointInfo Take(const Sandbox& sandbox, const std::string& name) {
    const auto taken = world_->manager().TakeCheckpoint(sandbox.id(), name);
    EXPECT_TRUE(taken.ok()) << taken.status();
    return taken.value_or(CheckpointInfo{});
  }
  // Null after a failure.
  static std::shared_ptr<Sandbox> Restore(const std::string& id, const std::string& name) {
    const auto info = world_->manager().RestoreCheckpoint(id, name);
    EXPECT_TRUE(info.ok()) << info.status();
    if (!info.ok()) return nullptr;
    EXPECT_EQ(info->id, id);
    EXPECT_EQ(info->state, SandboxState::kRunning);
    return Find(id);
  }
};

TEST_F(CheckpointTest, TheFilesAreExactlyAsTheyWereAndWhatRanHasEnded) {
  auto sandbox = Create();
  ASSERT_NE(sandbox, nullptr);
  const std::string id = sandbox->id();
  OutputOf(
      *sandbox,
      "umask 022; cd; mkdir -p d/e; echo one > d/e/f; ln d/e/f link; ln -s nowhere soft; : > empty;"
      "chmod 4711 empty; printf 'x' | dd of=sparse bs=1 seek=10000000 2>/dev/null; mkfifo pipe; "
      "touch -d @1000000000 old; n=$(printf 'a\\nb\\377'); echo odd > \"$n\"");
  const std::string first = OutputOf(*sandbox, kShowFiles);
  const CheckpointInfo one = Take(*sandbox, "one");
  EXPECT_TRUE(one.frozen.has_value());
  EXPECT_GT(one.bytes, 0u);
  OutputOf(*sandbox, "cd; rm -r d soft pipe; echo two > link; mkdir empty.d; : > new; chmod 0 old");
  const std::string second = OutputOf(*sandbox, kShowFiles);
  Take(*sandbox, "two");
  const auto sleeper = sandbox->StartExec("sleeper", Shell("echo up; sleep 1000"));
  ASSERT_TRUE(sleeper.ok());
  AwaitOutput(*sleeper);
  OutputOf(*sandbox, "cd; rm -rf .[!.]* *; echo gone > /tmp/memory");

  sandbox = Restore(id, "one");
  ASSERT_NE(sandbox, nullptr);
  EXPECT_EQ(OutputOf(*sandbox, kShowFiles), first);
  EXPECT_EQ(OutputOf(*sandbox, "ls /tmp; ps -eo args= | grep -c '[s]leep' || true"), "0\n");
  const auto ended = Collect(*sandbox->FindExec("sleeper"));
  ASSERT_TRUE(ended.ok()) << ended.status();
  EXPECT_EQ(ended->result.cause, ExecResult::Cause::kSandboxGone);
  EXPECT_EQ(ended->out, "up\n");
  // Later ones stay; forward and back again.
  sandbox = Restore(id, "two");
  ASSERT_NE(sandbox, nullptr);
  EXPECT_EQ(OutputOf(*sandbox, kShowFiles), second);
  sandbox = Restore(id, "one");
  ASSERT_NE(sandbox, nullptr);
  EXPECT_EQ(OutputOf(*sandbox, kShowFiles), first);
}

TEST_F(CheckpointTest, WhatHasEndedCanBeReadAndIdsAreNotUsedAgain) {
  auto sandbox = Create();
  ASSERT_NE(sandbox, nullptr);
  Take(*sandbox, "start");
  ExecSpec spec = Shell("echo before; exit 3");
  spec.full_log_bytes = uint64_t{1} << 20;
  ASSERT_TRUE(sandbox->StartExec("named", spec).ok());
  ASSERT_TRUE(Collect(*sandbox->FindExec("named")).ok());
  SandboxRow before;
  sandbox->Describe(&before);
  const uint32_t number = (*sandbox->FindExec("named"))->number();
  sandbox = Restore(sandbox->id(), "start");
  ASSERT_NE(sandbox, nullptr);
  const auto exec = sandbox->FindExec("named");
  ASSERT_TRUE(exec.ok()) << exec.status();
  const auto outcome = Collect(*exec);
  ASSERT_TRUE(outcome.ok()) << outcome.status();
  EXPECT_EQ(outcome->out, "before\n");
  EXPECT_EQ(outcome->result.exit_code, 3);
  const auto same = sandbox->StartExec("named", spec);
  ASSERT_TRUE(same.ok()) << same.status();
  EXPECT_EQ(*same, *exec) << "a retry is not a second command";
  const auto later = sandbox->StartExec("later", Shell("true"));
  ASSERT_TRUE(later.ok()) << later.status();
  EXPECT_GT((*later)->number(), number);
  EXPECT_TRUE(Collect(*later).ok());
  SandboxRow after;
  sandbox->Describe(&after);
  EXPECT_EQ(after.host_id_first, before.host_id_first);
  EXPECT_NE(after.disk, before.disk);
}

TEST_F(CheckpointTest, APausedAndAStoppedSandboxRunAgain) {
  auto sandbox = Create();
  ASSERT_NE(sandbox, nullptr);
  OutputOf(*sandbox, "echo kept > ~/file");
  Take(*sandbox, "c");
  ASSERT_TRUE(sandbox->StartExec("e", Shell("sleep 1000")).ok());
  ASSERT_EQ(sandbox->Pause(), absl::OkStatus());
  sandbox = Restore(sandbox->id(), "c");
  ASSERT_NE(sandbox, nullptr);
  EXPECT_EQ(OutputOf(*sandbox, "cat ~/file"), "kept\n");

  const UniqueFd init(static_cast<int>(::syscall(SYS_pidfd_open, sandbox->init_host_pid(), 0)));
  ASSERT_TRUE(init.valid());
  ASSERT_EQ(SignalPidFd(init.get(), SIGKILL), absl::OkStatus());
  while (sandbox->state() != SandboxState::kStopped) std::this_thread::yield();
  EXPECT_EQ(ReasonOf(world_->manager().TakeCheckpoint(sandbox->id(), "d").status()),
            "SANDBOX_STOPPED");
  sandbox = Restore(sandbox->id(), "c");
  ASSERT_NE(sandbox, nullptr);
  EXPECT_EQ(OutputOf(*sandbox, "cat ~/file"), "kept\n");
}

TEST_F(CheckpointTest, NamesAreUniqueAndTheirNumberHasALimit) {
  auto sandbox = Create();
  ASSERT_NE(sandbox, nullptr);
  SandboxManager& manager = world_->manager();
  const CheckpointInfo first = Take(*sandbox, "c0");
  OutputOf(*sandbox, "echo later > ~/file");
  const CheckpointInfo again = Take(*sandbox, "c0");
  EXPECT_EQ(again.created, first.created) << "a retry takes no other state";
  EXPECT_FALSE(again.frozen.has_value());
  for (size_t i = 1; i + 1 < kCheckpointsMax; ++i) Take(*sandbox, absl::StrCat("c", i));
  const CheckpointInfo unnamed = Take(*sandbox, "");
  EXPECT_TRUE(ParseClientName(unnamed.id, "checkpoint_id").ok()) << unnamed.id;
  EXPECT_EQ(ReasonOf(manager.TakeCheckpoint(sandbox->id(), "more").status()), "CHECKPOINT_LIMIT");
  EXPECT_EQ(ReasonOf(manager.DeleteCheckpoint(sandbox->id(), "more")), "CHECKPOINT_NOT_FOUND");
  EXPECT_EQ(ReasonOf(manager.RestoreCheckpoint(sandbox->id(), "more").status()),
            "CHECKPOINT_NOT_FOUND");
  EXPECT_EQ(manager.DeleteCheckpoint(sandbox->id(), "c0"), absl::OkStatus());
  EXPECT_EQ(ReasonOf(manager.DeleteCheckpoint(sandbox->id(), "c0")), "CHECKPOINT_NOT_FOUND");
  Take(*sandbox, "more");
  const auto list = manager.ListCheckpoints(sandbox->id());
  ASSERT_TRUE(list.ok()) << list.status();
  ASSERT_EQ(list->size(), kCheckpointsMax);
  EXPECT_EQ(list->front().id, "c1");
  EXPECT_EQ(list->back().id, "more");
  EXPECT_EQ(ReasonOf(manager.ListCheckpoints(NewRandomId()).status()), "SANDBOX_NOT_FOUND");
}

// Backing files of the loop devices that show something below `directory`.
size_t LoopFilesBelow(const std::string& directory) {
  size_t count = 0;
  for (const auto& device : std::filesystem::directory_iterator("/sys/block")) {
    std::ifstream file(device.path() / "loop/backing_file");
    std::string backing;
    if (std::getline(file, backing) && backing.compare(0, directory.size(), directory) == 0)
      ++count;
  }
  return count;
}

TEST_F(CheckpointTest, NothingOfTheOldFilesStaysOnTheHostAfterwards) {
  auto sandbox = Create();
  ASSERT_NE(sandbox, nullptr);
  const std::string id = sandbox->id();
  Take(*sandbox, "c");
  const size_t before = LoopFilesBelow(world_->directory());
  for (int i = 0; i < 3; ++i) {
    ExecSpec spec = Shell("echo line; head -c 3M /dev/urandom > ~/file");
    spec.full_log_bytes = uint64_t{1} << 20;
    ASSERT_TRUE(RunIn(*sandbox, spec).ok());
    sandbox.reset();
    sandbox = Restore(id, "c");
    ASSERT_NE(sandbox, nullptr);
  }
  // The kernel takes a device away behind the last unmount.
  for (int i = 0; i < 1000 && LoopFilesBelow(world_->directory()) > before; ++i) ::usleep(10'000);
  EXPECT_EQ(LoopFilesBelow(world_->directory()), before);
}

TEST_F(CheckpointTest, ADeletionDoesNotWaitForACopy) {
  auto sandbox = Create();
  ASSERT_NE(sandbox, nullptr);
  SandboxManager& manager = world_->manager();
  OutputOf(*sandbox, "head -c 50M /dev/urandom > ~/file");
  size_t most = 0;
  for (size_t i = 0; i + 1 < kCheckpointsMax && most < 3; ++i) {  // a copy may be over at once
    const std::string name = absl::StrCat("c", i);
    std::atomic<bool> begun = false, over = false;
    std::thread taker([&] {
      begun = true;
      Take(*sandbox, name);
      over = true;
    });
    while (!begun) std::this_thread::yield();
    size_t answered = 0;
    for (; !over; ++answered) {
      EXPECT_EQ(ReasonOf(manager.DeleteCheckpoint(sandbox->id(), "none")), "CHECKPOINT_NOT_FOUND");
    }
    taker.join();
    EXPECT_EQ(manager.DeleteCheckpoint(sandbox->id(), name), absl::OkStatus());
    most = std::max(most, answered);
  }
  EXPECT_GE(most, 3U) << "one waits for the whole copy, and there is no time for another";
}

TEST_F(CheckpointTest, AForkHasNoneOfItsParentsAndTheDiskLimitHolds) {
  CreateOptions options;
  options.limits.disk_bytes = uint64_t{64} << 20;
  auto sandbox = Create(options);
  ASSERT_NE(sandbox, nullptr);
  OutputOf(*sandbox, "head -c 20M /dev/zero > ~/kept");
  Take(*sandbox, "c");
  const auto forked = world_->manager().Fork(sandbox->id(), {});
  ASSERT_TRUE(forked.ok() && forked->children[0].ok());
  const auto none = world_->manager().ListCheckpoints(forked->children[0]->id);
  ASSERT_TRUE(none.ok());
  EXPECT_TRUE(none->empty());
  for (int i = 0; i < 3; ++i) {
    sandbox = Restore(sandbox->id(), "c");
    ASSERT_NE(sandbox, nullptr);
    const auto usage = sandbox->Usage();
    ASSERT_TRUE(usage.ok()) << usage.status();
    EXPECT_LE(usage->disk_bytes_limit, options.limits.disk_bytes);
    EXPECT_GE(usage->disk_bytes_used, uint64_t{20} << 20);
    const auto filled = RunIn(*sandbox, Shell("head -c 70M /dev/zero > ~/more"));
    ASSERT_TRUE(filled.ok()) << filled.status();
    EXPECT_EQ(filled->result.cause, ExecResult::Cause::kDiskFull);
  }
}

// Whatever comes meanwhile either works or says that the sandbox is stopped, paused or busy; in the
// end it runs with the files of the checkpoint.
TEST_F(CheckpointTest, RestoresAmongStartsForksAndPausesLeaveAWholeSandbox) {
  auto sandbox = Create();
  ASSERT_NE(sandbox, nullptr);
  const std::string id = sandbox->id();
  OutputOf(*sandbox, "echo kept > ~/file");
  Take(*sandbox, "c");
  sandbox.reset();
  std::atomic<bool> over = false;
  SandboxManager& manager = world_->manager();
  std::vector<std::thread> others;
  others.emplace_back([&] {
    while (!over) {
      if (auto one = manager.Find(id); one.ok()) (void)RunIn(**one, Shell("echo x >> ~/file"));
    }
  });
  others.emplace_back([&] {
    while (!over) {
      const auto forked = manager.Fork(id, {});
      if (forked.ok() && forked->children[0].ok()) {
        EXPECT_EQ(manager.Delete(forked->children[0]->id), absl::OkStatus());
      }
    }
  });
  others.emplace_back([&] {
    while (!over) {
      (void)manager.Pause(id);
      (void)manager.Resume(id);
    }
  });
  for (int i = 0; i < 10; ++i) {
    const auto restored = manager.RestoreCheckpoint(id, "c");
    EXPECT_TRUE(restored.ok()) << restored.status();
  }
  over = true;
  for (std::thread& other : others) other.join();
  sandbox = Restore(id, "c");
  ASSERT_NE(sandbox, nullptr);
  EXPECT_EQ(OutputOf(*sandbox, "cat ~/file"), "kept\n");
}

TEST_F(CheckpointTest, WhoDeletesASandboxLeavesNothingOfARestoreThatIsUnderWay) {
  for (int i = 0; i < 8; ++i) {
    auto sandbox = Create();
    ASSERT_NE(sandbox, nullptr);
    OutputOf(*sandbox, "head -c 3M /dev/urandom > ~/file");
    const std::string id = sandbox->id();
    Take(*sandbox, "c");
    sandbox.reset();
    std::atomic<bool> begun = false;
    std::thread restorer([&] {
      begun = true;
      const auto restored = world_->manager().RestoreCheckpoint(id, "c");
      if (!restored.ok()) {
        EXPECT_THAT(ReasonOf(restored.status()),
                    testing::AnyOf("SANDBOX_NOT_FOUND", "SANDBOX_STOPPED"));
      }
    });
    while (!begun) std::this_thread::yield();
    for (int spin = 0; spin < i * 2000; ++spin) std::this_thread::yield();  // another moment each
    EXPECT_EQ(world_->manager().Delete(id, Sandbox::CleanUp::kWait), absl::OkStatus());
    restorer.join();
  }
}

class LastingCheckpointTest : public LastingWorldTest {};

TEST_F(LastingCheckpointTest, CheckpointsAndWhatWasRestoredOutliveTheDaemon) {
  SandboxManager* manager = &NextDaemon();
  const auto made = manager->Create(CreateOptions());
  ASSERT_TRUE(made.ok()) << made.status();
  const std::string id = made->id;
  OutputOf(**manager->Find(id), "echo one > ~/file");
  ASSERT_TRUE(manager->TakeCheckpoint(id, "one").ok());
  OutputOf(**manager->Find(id), "echo two > ~/file");
  ASSERT_TRUE(manager->TakeCheckpoint(id, "two").ok());
  OutputOf(**manager->Find(id), "echo three > ~/file");

  manager = &NextDaemon();
  EXPECT_EQ(OutputOf(**manager->Find(id), "cat ~/file"), "three\n");
  ASSERT_TRUE(manager->RestoreCheckpoint(id, "one").ok());
  ASSERT_EQ(manager->DeleteCheckpoint(id, "one"), absl::OkStatus());
  ASSERT_TRUE((*manager->Find(id))->StartExec("talker", Shell("sleep 0.2; exit 7")).ok());

  manager = &NextDaemon();
  const auto sandbox = manager->Find(id);
  ASSERT_TRUE(sandbox.ok()) << sandbox.status();
  EXPECT_EQ((*sandbox)->state(), SandboxState::kRunning) << (*sandbox)->stop_reason();
  EXPECT_EQ(OutputOf(**sandbox, "cat ~/file"), "one\n");
  EXPECT_EQ(Collect(*(*sandbox)->FindExec("talker"))->result.exit_code, 7);
  const auto list = manager->ListCheckpoints(id);
  ASSERT_TRUE(list.ok()) << list.status();
  ASSERT_EQ(list->size(), 1u);
  EXPECT_EQ(list->front().id, "two");
  ASSERT_TRUE(manager->RestoreCheckpoint(id, "two").ok());
  EXPECT_EQ(OutputOf(**manager->Find(id), "cat ~/file"), "two\n");
}

}  // namespace
}  // namespace glovebox
