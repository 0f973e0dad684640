// What a daemon had sent before it died is carried out: its client may have been told that it was.
#include <gtest/gtest.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>

#include "linux/raw_syscalls.h"
#include "tests/kernel/init/init_rig.h"

namespace glovebox {
namespace {

constexpr int kMoreThanInitReadsAtOnce = 100;

class TakeoverTest : public testing::Test {
 protected:
  static Spec Script(const std::string& text) {
    Spec spec;
    spec.argv = {"/bin/sh", "-c", text};
    return spec;
  }
  void AwaitReadable() {
    pollfd entry{sandbox_->connection.get(), POLLIN, 0};
    ASSERT_EQ(poll(&entry, 1, 10'000), 1);
  }
  // Init does nothing until Continue(); the kernel offers no event for a stop of another's child.
  void Stop() {
    ASSERT_EQ(raw::PidfdSendSignal(sandbox_->pidfd.get(), SIGSTOP), 0);
    const std::string path = "/proc/" + std::to_string(sandbox_->host_pid) + "/stat";
    while (ReadWholeFile(path).find(") T ") == std::string::npos) sched_yield();
  }
  void Continue() { ASSERT_EQ(raw::PidfdSendSignal(sandbox_->pidfd.get(), SIGCONT), 0); }
  void ExpectItRan(TestExec* exec) {
    sandbox_->Connect();
    EXPECT_EQ(sandbox_->AwaitEnd(exec).exit_code, 7);
  }

  InitRig rig_;
  std::unique_ptr<TestSandbox> sandbox_ = rig_.Ready();
};

TEST_F(TakeoverTest, AStartIsTakenFromADaemonThatDiedWithAnswersUnread) {
  AwaitReadable();  // kHeldAll, or what comes before it
  Stop();
  const auto exec = sandbox_->Start(Script("exit 7"));
  sandbox_->Disconnect();
  Continue();
  ExpectItRan(exec.get());
}

TEST_F(TakeoverTest, AStartIsTakenAlthoughThereIsSomethingToTellTheDaemonThatDied) {
  (void)sandbox_->NextOf(FrameKind::kHeldAll);
  const auto flood = sandbox_->Start(Script("yes"));
  (void)sandbox_->NextOf(FrameKind::kStarted);
  Stop();
  flood->header().reader_waiting.store(1);
  for (int i = 0; i < kMoreThanInitReadsAtOnce; ++i) {
    sandbox_->Send(FrameKind::kResume, flood->exec_no, nullptr, 0);
  }
  const auto exec = sandbox_->Start(Script("exit 7"));
  sandbox_->Disconnect();
  Continue();
  ExpectItRan(exec.get());
}

}  // namespace
}  // namespace glovebox
