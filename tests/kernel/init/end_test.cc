// How commands end: limits and deadlines, what the kernel's counters say, signals to trees.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <signal.h>
#include <sys/mman.h>
#include <unistd.h>

#include <fstream>
#include <sstream>

#include "tests/kernel/init/init_rig.h"

namespace glovebox {
namespace {

// Ignored and blocked by the daemon's stand-in, in the hope that nothing of it reaches a command.
class HostileDispositions {
 public:
  HostileDispositions() {
    sigset_t all;
    sigfillset(&all);
    for (int signal = 1; signal <= SIGRTMAX; ++signal) {
      // The rig waits for its spawner.
      if (signal != SIGCHLD) before_[signal] = ::signal(signal, SIG_IGN);
    }
    sigprocmask(SIG_SETMASK, &all, &mask_before_);
  }
  ~HostileDispositions() {
    for (int signal = 1; signal <= SIGRTMAX; ++signal) {
      if (signal != SIGCHLD && before_[signal] != SIG_ERR) ::signal(signal, before_[signal]);
    }
    sigprocmask(SIG_SETMASK, &mask_before_, nullptr);
  }

 private:
  sighandler_t before_[65] = {};
  sigset_t mask_before_;
};

class EndTest : public testing::Test {
 protected:
  static Spec Command(std::vector<std::string> argv) {
    Spec spec;
    spec.argv = std::move(argv);
    return spec;
  }
  static Spec Script(const std::string& text) { return Command({"/bin/sh", "-c", text}); }
  static std::vector<int> HostPids(const TestExec& exec) {
    std::istringstream text(ReadWholeFile(exec.cgroup_path + "/cgroup.procs"));
    std::vector<int> pids;
    for (int pid; text >> pid;) pids.push_back(pid);
    return pids;
  }

  HostileDispositions hostile_;
  InitRig rig_;
  std::unique_ptr<TestSandbox> sandbox_ = rig_.Ready();
};

TEST_F(EndTest, NoDispositionAndNoMaskReachesACommand) {
  std::string output;
  sandbox_->Run(Command({"grep", "-E", "^(SigBlk|SigIgn|SigCgt)", "/proc/self/status"}), &output);
  EXPECT_EQ(output,
            "SigBlk:\t0000000000000000\nSigIgn:\t0000000000000000\nSigCgt:\t0000000000000000\n");
}

TEST_F(EndTest, SigpipeToAnyScopeEndsAWriterThatFloods) {
  for (SignalScope scope : {SignalScope::kLeader, SignalScope::kGroup, SignalScope::kTree}) {
    auto exec = sandbox_->Start(Command({"yes"}));
    sandbox_->NextOf(FrameKind::kStarted);
    sandbox_->Send(FrameKind::kSignal, exec->exec_no, SignalBody{SIGPIPE, scope});
    ExecEnd end = sandbox_->AwaitEnd(exec.get());
    EXPECT_EQ(end.cause, EndCause::kKilledByClient);
    EXPECT_EQ(end.signal, SIGPIPE);
  }
}

TEST_F(EndTest, ATreeSignalReachesWhatIsForkedMeanwhile) {
  // 600 processes that left the group, and a leader that goes on forking until the signal.
  Spec spec = Script(
      "i=0; while [ $i -lt 600 ]; do setsid sleep 1000 & i=$((i+1)); done >/dev/null 2>&1; echo "
      "up; "
      "while :; do setsid sleep 1000 >/dev/null 2>&1 & done");
  spec.wire.keep_survivors = 1;  // so that only the signal ends them
  auto exec = sandbox_->Start(spec);
  sandbox_->NextOf(FrameKind::kStarted);
  sandbox_->AwaitOutput(exec.get(), "up\n");
  UniqueFd events(open((exec->cgroup_path + "/cgroup.events").c_str(), O_RDONLY | O_CLOEXEC));
  sandbox_->Send(FrameKind::kSignal, exec->exec_no, SignalBody{SIGTERM, SignalScope::kTree});
  ExecEnd end = sandbox_->AwaitEnd(exec.get());
  EXPECT_EQ(end.cause, EndCause::kKilledByClient);
  EXPECT_EQ(end.signal, SIGTERM);
  for (int i = 0; i < 1000 && !HostPids(*exec).empty(); ++i) {
    pollfd change{events.get(), POLLPRI, 0};
    (void)poll(&change, 1, 10);
  }
  EXPECT_EQ(HostPids(*exec).size(), 0u);
}

TEST_F(EndTest, ATimeoutIsHeededByWhatIsStopped) {
  Spec spec = Script("trap 'exit 9' TERM; kill -STOP $$; exit 1");
  spec.wire.wall_limit_ms = 1000;  // the trap must be set by then
  spec.wire.term_grace_ms = 60'000;
  ExecEnd end = sandbox_->Run(spec);
  EXPECT_EQ(end.cause, EndCause::kTimedOut);
  EXPECT_EQ(end.exit_code, 9);
}

TEST_F(EndTest, ATimeoutDoesNotWaitForAReader) {
  Spec spec = Command({"yes"});
  spec.wire.output_policy = OutputPolicy::kBackPressure;
  spec.wire.wall_limit_ms = 200;
  spec.ring_size = 64 * 1024;
  spec.arm_gate = true;
  ExecEnd end = sandbox_->Run(spec);
  EXPECT_EQ(end.cause, EndCause::kTimedOut);
  EXPECT_EQ(end.signal, SIGTERM);
}

TEST_F(EndTest, OutputBeyondItsLimitIsTheCauseAlsoWhenTheLeaderWasFaster) {
  for (int i = 0; i < 20; ++i) {
    Spec spec = Script("echo 0123456789");
    spec.wire.output_bytes_max = 10;
    ExecEnd end = sandbox_->Run(spec);
    EXPECT_EQ(end.cause, EndCause::kOutputLimit);
  }
}

TEST_F(EndTest, CpuTimeIsThatOfTheWholeTree) {
  // Nobody waits for the one that computes.
  ExecEnd end =
      sandbox_->Run(Script("(i=0; while [ $i -lt 300000 ]; do i=$((i+1)); done; echo done >&2) & "
                           "while kill -0 $! 2>/dev/null; do sleep 0.01; done; exit 0"));
  EXPECT_EQ(end.exit_code, 0);
  const uint64_t burnt = end.user_us + end.system_us;
  Spec kept = Script("setsid sh -c 'i=0; while [ $i -lt 300000 ]; do i=$((i+1)); done' & exit 0");
  ExecEnd survivor = sandbox_->Run(kept);
  EXPECT_GT(burnt, 20'000u);
  EXPECT_GT(survivor.user_us + survivor.system_us, 0u);
}

TEST_F(EndTest, PeakMemoryIsTheCommandsAndNotInits) {
  // A large region that init fills counts as its memory, which a child shares until its execve.
  Spec flood = Command({"head", "-c", "50000000", "/dev/zero"});
  flood.ring_size = 40 << 20;
  (void)sandbox_->Run(flood);
  EXPECT_EQ(sandbox_->Run(Command({"true"})).memory_peak_bytes, 0u) << "not known";
  EXPECT_GT(sandbox_->Run(Command({"dd", "if=/dev/zero", "of=/dev/null", "bs=64M", "count=1"}))
                .memory_peak_bytes,
            64u << 20);
}

// ---- what the limits did, told by stand-ins of the kernel's files

class LimitsTest : public EndTest {
 protected:
  LimitsTest() {
    std::vector<int> fds;
    for (UniqueFd& counter : counters_) {
      counter.Reset(memfd_create("counter", MFD_CLOEXEC));
      fds.push_back(counter.get());
    }
    Put(CounterFd::kOomKills, "low 0\nhigh 0\nmax 9\noom 5\noom_kill 5\noom_group_kill 0\n");
    Put(CounterFd::kMemoryPeak, "1000000\n");
    Put(CounterFd::kPidsEvents, "max 7\n");
    Put(CounterFd::kPidsPeak, "4\n");
    sandbox_->Connect(fds);
  }
  void Put(CounterFd which, const std::string& text) {
    const int fd = counters_[static_cast<size_t>(which)].get();
    ASSERT_EQ(ftruncate(fd, 0), 0);
    ASSERT_EQ(pwrite(fd, text.data(), text.size(), 0), static_cast<ssize_t>(text.size()));
  }
  // Starts a command that says "up", lets `meanwhile` happen, then gives it its input's end.
  template <typename Meanwhile>
  ExecEnd RunWith(const std::string& script, Meanwhile meanwhile) {
    Spec spec = Script("echo up; read line; " + script);
    spec.wire.stdin_mode = StdinMode::kPipe;
    auto exec = sandbox_->Start(spec);
    sandbox_->NextOf(FrameKind::kStarted);
    sandbox_->AwaitOutput(exec.get(), "up\n");
    meanwhile(*exec);
    sandbox_->SendInput(*exec, 0, "", true);
    return sandbox_->AwaitEnd(exec.get());
  }
  void OneOomKill() { Put(CounterFd::kOomKills, "oom_kill 6\n"); }

  UniqueFd counters_[kCounterFds];
};

TEST_F(LimitsTest, WhatWasCountedBeforeTheCommandIsNotItsOwn) {
  ExecEnd end = sandbox_->Run(Script("exit 3"));
  EXPECT_EQ(end.cause, EndCause::kExited);
  EXPECT_EQ(end.exit_code, 3);
  EXPECT_EQ(end.limits.oom_kills, 0u);
  EXPECT_EQ(end.limits.forks_refused, 0u);
  EXPECT_EQ(end.limits.memory_peak_bytes, 0u);
}

TEST_F(LimitsTest, ALeaderKilledByNobodyDuringAnOomKillWasTheVictim) {
  ExecEnd end = RunWith("exit 1", [this](const TestExec& exec) {
    OneOomKill();
    kill(HostPids(exec).at(0), SIGKILL);  // as the kernel would
  });
  EXPECT_EQ(end.cause, EndCause::kOomKilled);
  EXPECT_EQ(end.signal, SIGKILL);
  EXPECT_EQ(end.limits.oom_kills, 1u);
  EXPECT_EQ(end.limits.memory_peak_bytes, 1000000u);
}

TEST_F(LimitsTest, AClientsKillDuringAnOomKillStaysTheClients) {
  ExecEnd end = RunWith("exit 1", [this](const TestExec& exec) {
    OneOomKill();
    sandbox_->Send(FrameKind::kSignal, exec.exec_no, SignalBody{SIGKILL, SignalScope::kLeader});
  });
  EXPECT_EQ(end.cause, EndCause::kKilledByClient);
  EXPECT_EQ(end.limits.oom_kills, 1u);
}

TEST_F(LimitsTest, AChildKilledForMemoryIsTheCauseOfAFailureAndTheExitCodeStays) {
  ExecEnd end = RunWith("exit 2", [this](const TestExec&) { OneOomKill(); });
  EXPECT_EQ(end.cause, EndCause::kOomKilled);
  EXPECT_EQ(end.exit_code, 2);
  EXPECT_EQ(end.signal, 0);
}

TEST_F(LimitsTest, ASuccessIsASuccessAndTheFactsStandBesideIt) {
  ExecEnd end = RunWith("exit 0", [this](const TestExec&) {
    OneOomKill();
    Put(CounterFd::kPidsEvents, "max 9\n");
  });
  EXPECT_EQ(end.cause, EndCause::kExited);
  EXPECT_EQ(end.exit_code, 0);
  EXPECT_EQ(end.limits.oom_kills, 1u);
  EXPECT_EQ(end.limits.forks_refused, 2u);
  EXPECT_EQ(end.limits.shared, 0u);
}

TEST_F(LimitsTest, RefusedForksAreTheCauseOfAFailure) {
  ExecEnd end =
      RunWith("exit 2", [this](const TestExec&) { Put(CounterFd::kPidsEvents, "max 12\n"); });
  EXPECT_EQ(end.cause, EndCause::kPidsLimit);
  EXPECT_EQ(end.exit_code, 2);
  EXPECT_EQ(end.limits.forks_refused, 5u);
}

TEST_F(LimitsTest, WhatMayBeAnothersIsAFactAndNotACause) {
  auto other = sandbox_->Start(Command({"sleep", "1000"}));
  ExecEnd end =
      RunWith("exit 2", [this](const TestExec&) { Put(CounterFd::kPidsEvents, "max 12\n"); });
  EXPECT_EQ(end.cause, EndCause::kExited);
  EXPECT_EQ(end.limits.forks_refused, 5u);
  EXPECT_EQ(end.limits.shared, 1u);
  sandbox_->Send(FrameKind::kSignal, other->exec_no, SignalBody{SIGKILL, SignalScope::kTree});
  EXPECT_EQ(sandbox_->AwaitEnd(other.get()).limits.shared, 1u) << "of the one before as well";
}

TEST_F(LimitsTest, KeptSurvivorsAreCompanyUntilTheyAreGone) {
  Spec spec = Script("sleep 1000 >/dev/null 2>&1 & exit 0");
  spec.wire.keep_survivors = 1;
  auto kept = sandbox_->Start(spec);
  EXPECT_EQ(sandbox_->AwaitEnd(kept.get()).limits.shared, 0u);
  EXPECT_EQ(sandbox_->Run(Command({"true"})).limits.shared, 1u);
  UniqueFd events(open((kept->cgroup_path + "/cgroup.events").c_str(), O_RDONLY | O_CLOEXEC));
  ASSERT_EQ(write(kept->cgroup_kill.get(), "1", 1), 1);
  for (int i = 0; i < 1000 && !HostPids(*kept).empty(); ++i) {
    pollfd change{events.get(), POLLPRI, 0};
    (void)poll(&change, 1, 10);
  }
  // Gone from the cgroup, and for a moment still init's to reap.
  uint32_t shared = 1;
  for (int i = 0; i < 100 && shared == 1; ++i) {
    shared = sandbox_->Run(Command({"true"})).limits.shared;
  }
  EXPECT_EQ(shared, 0u);
}

TEST_F(LimitsTest, TmpThatBecameFullIsTheCauseOfAFailureOnceOnly) {
  const std::string fill = "dd if=/dev/zero of=/tmp/big bs=1M count=4096 2>/dev/null; exit $?";
  ExecEnd end = sandbox_->Run(Script(fill));
  EXPECT_EQ(end.cause, EndCause::kDiskFull);
  EXPECT_NE(end.exit_code, 0);
  EXPECT_EQ(end.limits.full & kFullTmpBytes, uint32_t{kFullTmpBytes});
  ExecEnd again = sandbox_->Run(Script("exit 1"));
  EXPECT_EQ(again.cause, EndCause::kExited) << "it was full before";
  EXPECT_EQ(again.limits.full_before & kFullTmpBytes, uint32_t{kFullTmpBytes});
}

TEST_F(LimitsTest, TheMostProcessesAreKnownWhenThePeakRose) {
  ExecEnd end = RunWith("exit 0", [this](const TestExec&) { Put(CounterFd::kPidsPeak, "9\n"); });
  EXPECT_EQ(end.limits.processes_max, 8u) << "without init";
  EXPECT_EQ(sandbox_->Run(Command({"true"})).limits.processes_max, 0u) << "not known";
}

TEST_F(LimitsTest, CountersThatMakeNoSenseSayNothing) {
  ExecEnd end = RunWith("exit 2", [this](const TestExec&) {
    Put(CounterFd::kOomKills, std::string(4096, 'x'));
    Put(CounterFd::kPidsEvents, "");
    Put(CounterFd::kPidsPeak, "99999999999999999999999999\n");
  });
  EXPECT_EQ(end.cause, EndCause::kExited);
  EXPECT_EQ(end.limits.oom_kills, 0u);
  EXPECT_EQ(end.limits.processes_max, 0u);
}

}  // namespace
}  // namespace glovebox
