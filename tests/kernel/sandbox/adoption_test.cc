// A process with sandboxes is killed, another takes them over: what gloveboxd does, without gRPC.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <functional>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "base/ids.h"
#include "base/status.h"
#include "linux/mount.h"
#include "linux/process.h"
#include "tests/support/must_run.h"
#include "tests/support/sandbox_world.h"

namespace glovebox {
namespace {

constexpr char kTalker[] =
    "i=0; while [ ! -e ~/stop ]; do i=$((i+1)); echo $i; sleep 0.01; done; exit 7";

class AdoptionTest : public testing::Test {
 protected:
  void SetUp() override { SKIP_UNLESS(::geteuid() == 0, "needs root"); }
  void TearDown() override {
    if (std::filesystem::exists(directory_)) (void)Adopt();
    if (world_ != nullptr) world_->EndAll();
    world_.reset();
    EXPECT_FALSE(std::filesystem::exists(directory_));
  }

  // Runs `act` with a world in a process of its own, which is killed when it has said what it had
  // to say.
  std::string KilledAfter(const std::function<std::string(SandboxWorld&)>& act) {
    int words[2];
    EXPECT_EQ(::pipe(words), 0);
    const pid_t child = ::fork();
    if (child == 0) {
      // Mounts of a dead daemon go with its namespace.
      auto world = EnterPrivateMountNamespace().ok() ? SandboxWorld::MakeLasting(directory_)
                                                     : absl::InternalError("mounts");
      const std::string said =
          world.ok() ? act(**world) : absl::StrCat("no world: ", world.status().message());
      (void)!::write(words[1], said.data(), said.size());
      ::close(words[1]);
      for (;;) ::pause();
    }
    ::close(words[1]);
    std::string said;
    char buffer[256];
    for (ssize_t count = 0; (count = ::read(words[0], buffer, sizeof buffer)) > 0;) {
      said.append(buffer, static_cast<size_t>(count));
    }
    ::close(words[0]);
    EXPECT_EQ(::kill(child, SIGKILL), 0);
    EXPECT_EQ(::waitpid(child, nullptr, 0), child);
    return said;
  }

  SandboxWorld& Adopt() {
    world_.reset();
    auto world = SandboxWorld::MakeLasting(directory_);
    EXPECT_TRUE(world.ok()) << world.status();
    if (world.ok()) world_ = *std::move(world);
    return *world_;
  }

  // kTalker, as "talker", runs, and ends with its own code when told.
  static void ExpectThatItTalksOn(Sandbox& sandbox) {
    ASSERT_TRUE(RunIn(sandbox, Shell("touch ~/stop")).ok());
    const auto talk = Collect(*sandbox.FindExec("talker"));
    ASSERT_TRUE(talk.ok()) << talk.status();
    EXPECT_EQ(talk->result.exit_code, 7);
  }

  std::shared_ptr<Sandbox> Find(const std::string& id) {
    auto sandbox = world_->manager().Find(id);
    EXPECT_TRUE(sandbox.ok()) << sandbox.status();
    return sandbox.ok() ? *sandbox : nullptr;
  }

  // The next process has it, in that state.
  std::shared_ptr<Sandbox> AdoptInState(const std::string& id, SandboxState state) {
    Adopt();
    auto sandbox = Find(id);
    if (sandbox != nullptr) {
      EXPECT_EQ(sandbox->state(), state);
    }
    return sandbox;
  }

  // A sandbox in which kTalker runs as "talker".
  static absl::StatusOr<std::shared_ptr<Sandbox>> CreateTalking(SandboxWorld& world) {
    ASSIGN_OR_RETURN(std::shared_ptr<Sandbox> sandbox, world.manager().Find(CreateIn(world)));
    RETURN_IF_ERROR(sandbox->StartExec("talker", Shell(kTalker)).status());
    return sandbox;
  }

  static std::string CreateIn(SandboxWorld& world) {
    CreateOptions options;
    options.request_id = "request";
    options.labels = {{"a", "b"}};
    const auto made = world.manager().Create(options);
    return made.ok() ? made->id : absl::StrCat("create: ", made.status().message());
  }

  const std::string directory_ = "/tmp/" + NewRandomId();
  std::unique_ptr<SandboxWorld> world_;
};

TEST_F(AdoptionTest, ARunningCommandIsTakenOverWithEveryByteAndItsEnd) {
  const std::string id = KilledAfter([](SandboxWorld& world) {
    const auto sandbox = CreateTalking(world);
    return sandbox.ok() ? (*sandbox)->id() : std::string(sandbox.status().message());
  });
  const auto sandbox = AdoptInState(id, SandboxState::kRunning);
  ASSERT_NE(sandbox, nullptr);
  EXPECT_EQ(world_->adoption().running, 1u) << testing::PrintToString(world_->adoption().problems);
  CreateOptions again;
  again.request_id = "request";
  again.labels = {{"a", "b"}};
  const auto twin = world_->manager().Create(again);
  ASSERT_TRUE(twin.ok()) << twin.status();
  EXPECT_EQ(twin->id, id) << "a repeated request is the same sandbox";
  const auto stopped = RunIn(*sandbox, Shell("touch ~/stop; echo ok"));
  ASSERT_TRUE(stopped.ok()) << stopped.status();
  EXPECT_EQ(stopped->out, "ok\n");
  const auto exec = sandbox->FindExec("talker");
  ASSERT_TRUE(exec.ok()) << exec.status();
  const auto talk = Collect(*exec);
  ASSERT_TRUE(talk.ok()) << talk.status();
  EXPECT_EQ(talk->result.exit_code, 7);
  EXPECT_EQ(talk->gap_bytes, 0u);
  int line = 0;
  for (absl::string_view text : absl::StrSplit(talk->out, '\n', absl::SkipEmpty())) {
    EXPECT_EQ(text, absl::StrCat(++line));
  }
  EXPECT_GT(line, 0);
  const auto files = sandbox->OpenFiles();
  ASSERT_TRUE(files.ok()) << files.status();
  EXPECT_EQ(::faccessat(files->upper.get(), "home/agent/stop", F_OK, 0), 0);
  EXPECT_TRUE(sandbox->Usage().ok());
}

TEST_F(AdoptionTest, WhatEndedIsReadableUnderEveryLaterDaemon) {
  const std::string id = KilledAfter([](SandboxWorld& world) {
    const std::string made = CreateIn(world);
    const auto sandbox = world.manager().Find(made);
    if (!sandbox.ok()) return made;
    const auto exec = (*sandbox)->StartExec("short", Shell("echo done; exit 5"));
    if (exec.ok()) (void)Collect(*exec);
    return made;
  });
  for (int daemon = 0; daemon < 3; ++daemon) {
    Adopt();
    const auto exec = Find(id)->FindExec("short");
    ASSERT_TRUE(exec.ok()) << exec.status();
    const auto outcome = Collect(*exec);
    ASSERT_TRUE(outcome.ok()) << outcome.status();
    EXPECT_EQ(outcome->out, "done\n");
    EXPECT_EQ(outcome->result.exit_code, 5);
  }
}

TEST_F(AdoptionTest, ASandboxWhoseInitDiedMeanwhileIsStoppedWithItsFilesAndResults) {
  const std::string said = KilledAfter([](SandboxWorld& world) {
    const std::string made = CreateIn(world);
    const auto sandbox = world.manager().Find(made);
    if (!sandbox.ok()) return made;
    (void)RunIn(**sandbox, Shell("echo kept > ~/file"));
    (void)(*sandbox)->StartExec("open", Shell("sleep 600"));
    // Execs are written behind, in order; this write is waited for.
    const auto later = world.manager().Create(CreateOptions());
    if (!later.ok()) return std::string(later.status().message());
    (void)world.manager().Delete(later->id, Sandbox::CleanUp::kWait);
    return absl::StrCat(made, " ", (*sandbox)->init_host_pid());
  });
  const std::vector<std::string> words = absl::StrSplit(said, ' ');
  ASSERT_EQ(words.size(), 2u) << said;
  const long pidfd = ::syscall(SYS_pidfd_open, std::stoi(words[1]), 0);
  ASSERT_GE(pidfd, 0);
  const UniqueFd init(static_cast<int>(pidfd));
  ASSERT_EQ(SignalPidFd(init.get(), SIGKILL), absl::OkStatus());
  ASSERT_EQ(WaitPidFd(init.get(), 10'000), absl::OkStatus());
  for (int daemon = 0; daemon < 2; ++daemon) {
    const auto sandbox = AdoptInState(words[0], SandboxState::kStopped);
    ASSERT_NE(sandbox, nullptr);
    EXPECT_THAT(sandbox->stop_reason(), testing::HasSubstr("ended while no gloveboxd ran"));
    const auto exec = sandbox->FindExec("open");
    ASSERT_TRUE(exec.ok()) << exec.status();
    EXPECT_EQ((*exec)->Snapshot().result->cause, ExecResult::Cause::kSandboxGone);
    const auto files = sandbox->OpenFiles();
    ASSERT_TRUE(files.ok()) << files.status();
    EXPECT_EQ(::faccessat(files->upper.get(), "home/agent/file", F_OK, 0), 0);
    EXPECT_TRUE(sandbox->Usage().ok());
  }
  EXPECT_EQ(world_->manager().Delete(words[0], Sandbox::CleanUp::kWait), absl::OkStatus());
}

TEST_F(AdoptionTest, APauseOutlivesTheDaemon) {
  const std::string id = KilledAfter([](SandboxWorld& world) {
    const auto sandbox = CreateTalking(world);
    if (!sandbox.ok()) return std::string(sandbox.status().message());
    const absl::Status paused = (*sandbox)->Pause();
    return paused.ok() ? (*sandbox)->id() : std::string(paused.message());
  });
  const auto sandbox = AdoptInState(id, SandboxState::kPaused);
  ASSERT_NE(sandbox, nullptr);
  EXPECT_FALSE(sandbox->StartExec("e", Shell("true")).ok());
  ASSERT_EQ(sandbox->Resume(), absl::OkStatus());
  ExpectThatItTalksOn(*sandbox);
}

// It died in a pause that it had not recorded, and while it copied the disk.
TEST_F(AdoptionTest, WhatADeadDaemonHadStoppedWithoutARecordGoesOn) {
  const std::string id = KilledAfter([](SandboxWorld& world) {
    const auto sandbox = CreateTalking(world);
    if (!sandbox.ok()) return std::string(sandbox.status().message());
    const std::string made = (*sandbox)->id();
    SandboxRow row;
    (*sandbox)->Describe(&row);
    const auto cgroup = world.cgroups().AdoptSandbox(made, row.host_id_first);
    if (!cgroup.ok()) return std::string(cgroup.status().message());
    const absl::Status commands = (*cgroup)->FreezeCommands();
    const absl::Status all = (*cgroup)->Freeze();
    return commands.ok() && all.ok() ? made : absl::StrCat(commands.message(), all.message());
  });
  const auto sandbox = AdoptInState(id, SandboxState::kRunning);
  ASSERT_NE(sandbox, nullptr);
  ExpectThatItTalksOn(*sandbox);
}

TEST_F(AdoptionTest, AForkIsTakenOverAsAnyOther) {
  const std::string said = KilledAfter([](SandboxWorld& world) {
    const std::string made = CreateIn(world);
    const auto sandbox = world.manager().Find(made);
    if (!sandbox.ok()) return made;
    (void)RunIn(**sandbox, Shell("echo kept > ~/file"));
    const auto forked = world.manager().Fork(made, ForkOptions{});
    if (!forked.ok()) return std::string(forked.status().message());
    if (!forked->children[0].ok()) return std::string(forked->children[0].status().message());
    const std::string child = forked->children[0]->id;
    (void)world.manager().Delete(made, Sandbox::CleanUp::kWait);
    return absl::StrCat(made, " ", child);
  });
  const std::vector<std::string> words = absl::StrSplit(said, ' ');
  ASSERT_EQ(words.size(), 2u) << said;
  const auto child = AdoptInState(words[1], SandboxState::kRunning);
  ASSERT_NE(child, nullptr);
  EXPECT_EQ(world_->manager().List().size(), 1u) << "the parent is gone";
  EXPECT_EQ(world_->manager().Get(words[1])->parent, words[0]);
  const auto kept = RunIn(*child, Shell("cat ~/file"));
  ASSERT_TRUE(kept.ok()) << kept.status();
  EXPECT_EQ(kept->out, "kept\n");
}

TEST_F(AdoptionTest, AWorldThatIsLeftInOrderIsTakenOverToo) {
  Adopt();
  const std::string id = CreateIn(*world_);
  ASSERT_TRUE(Find(id)->StartExec("talker", Shell(kTalker)).ok());
  const auto sandbox = AdoptInState(id, SandboxState::kRunning);
  ASSERT_NE(sandbox, nullptr);
  ExpectThatItTalksOn(*sandbox);
}

TEST_F(AdoptionTest, WhileADaemonLeavesNoSandboxIsSaidToBeGone) {
  SandboxManager& manager = Adopt().manager();
  const std::string id = CreateIn(*world_);
  EXPECT_EQ(manager.Shutdown(SandboxManager::OnShutdown::kLeave), 1u);
  for (const absl::Status& status : {manager.Find(id).status(), manager.Get(id).status(),
                                     manager.Delete(id, Sandbox::CleanUp::kWait)}) {
    const auto detail = GetErrorDetail(status);
    ASSERT_TRUE(detail.has_value()) << status;
    EXPECT_EQ(detail->reason, "SHUTTING_DOWN");
  }
  EXPECT_TRUE(manager.IsShuttingDown());
  EXPECT_NE(AdoptInState(id, SandboxState::kRunning), nullptr);
}

TEST_F(AdoptionTest, ASandboxWithoutARecordIsRemoved) {
  const std::string id = KilledAfter([](SandboxWorld& world) { return CreateIn(world); });
  {
    const auto state = StateDb::Open(directory_ + "/state.db", nullptr);
    ASSERT_TRUE(state.ok()) << state.status();
    ASSERT_EQ((*state)->EraseSandbox(id), absl::OkStatus());
  }
  Adopt();
  EXPECT_TRUE(world_->manager().List().empty());
  for (const char* name : {"run", "output", "disks/images"}) {
    EXPECT_TRUE(std::filesystem::is_empty(absl::StrCat(directory_, "/", name))) << name;
  }
}

}  // namespace
}  // namespace glovebox
