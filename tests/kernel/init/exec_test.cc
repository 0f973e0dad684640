#include <gtest/gtest.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <signal.h>
#include <sys/resource.h>

#include "tests/kernel/init/init_rig.h"

namespace glovebox {
namespace {

class ExecTest : public testing::Test {
 protected:
  static Spec Command(std::vector<std::string> argv) {
    Spec spec;
    spec.argv = std::move(argv);
    return spec;
  }
  static Spec Script(const std::string& text) { return Command({"/bin/sh", "-c", text}); }
  InitRig rig_;
  std::unique_ptr<TestSandbox> sandbox_ = rig_.Ready();
};

TEST_F(ExecTest, ExitCodesAreTheCommands) {
  ExecEnd end = sandbox_->Run(Command({"true"}));
  EXPECT_EQ(end.cause, EndCause::kExited);
  EXPECT_EQ(end.exit_code, 0);
  EXPECT_EQ(sandbox_->Run(Command({"false"})).exit_code, 1);
  end = sandbox_->Run(Script("exit 37"));
  EXPECT_EQ(end.exit_code, 37);
  EXPECT_EQ(end.survivors, 0u);
  EXPECT_GT(end.ended_ns, end.started_ns);
  EXPECT_GT(end.memory_peak_bytes, 0u);
}

TEST_F(ExecTest, SignalIsReportedAsSignal) {
  ExecEnd end = sandbox_->Run(Script("kill -SEGV $$"));
  EXPECT_EQ(end.cause, EndCause::kSignaled);
  EXPECT_EQ(end.signal, SIGSEGV);
  EXPECT_EQ(end.exit_code, -1);
}

TEST_F(ExecTest, SpawnFailureNamesStepAndErrno) {
  struct Case {
    Spec spec;
    ExecStep step;
    int error;
  };
  Spec bad_cwd = Command({"true"});
  bad_cwd.cwd = "/nowhere";
  Spec relative_cwd = Command({"true"});
  relative_cwd.cwd = "tmp";
  Spec no_user = Command({"true"});
  no_user.user = "nobody-of-that-name";
  Spec root = Command({"true"});
  root.user = "root";
  Spec root_number = Command({"true"});
  root_number.user = "0:0";
  Spec bad_variable = Command({"true"});
  bad_variable.env = {"no_equals_sign"};
  for (const Case& c : {Case{Command({"no-such-program"}), ExecStep::kExecve, ENOENT},
                        Case{Command({"/bin/no-such-program"}), ExecStep::kExecve, ENOENT},
                        Case{Command({"not_executable"}), ExecStep::kExecve, EACCES},
                        Case{Command({"no_format"}), ExecStep::kExecve, ENOEXEC},
                        Case{Command({"/bin"}), ExecStep::kExecve, EACCES},
                        Case{Command({"no_interpreter"}), ExecStep::kInterpreter, ENOENT},
                        Case{Command({"/bin/no_interpreter"}), ExecStep::kInterpreter, ENOENT},
                        Case{Command({"/bin/bad_interpreter"}), ExecStep::kInterpreter, EACCES},
                        Case{bad_cwd, ExecStep::kWorkingDirectory, ENOENT},
                        Case{relative_cwd, ExecStep::kWorkingDirectory, EINVAL},
                        Case{no_user, ExecStep::kUser, ENOENT}, Case{root, ExecStep::kUser, EPERM},
                        Case{root_number, ExecStep::kUser, EPERM},
                        Case{bad_variable, ExecStep::kReadSpec, EINVAL}}) {
    ExecEnd end = sandbox_->Run(c.spec);
    EXPECT_EQ(end.cause, EndCause::kSpawnFailed);
    EXPECT_EQ(end.failed_step, c.step);
    EXPECT_EQ(end.error, c.error);
  }
  EXPECT_EQ(sandbox_->Run(Command({"true"})).exit_code, 0);
}

TEST_F(ExecTest, UserGroupsAndEnvironmentComeFromTheSandboxesFiles) {
  std::string output;
  sandbox_->Run(Command({"id"}), &output);
  EXPECT_EQ(output, "uid=1000(agent) gid=1000 groups=2000(extra)\n");
  Spec spec = Command({"env"});
  spec.user = "other";
  spec.env = {"A=1", "HOME=/elsewhere", "A=2"};
  sandbox_->Run(spec, &output);
  EXPECT_EQ(output, "PATH=/bin\nLANG=C\nHOME=/elsewhere\nUSER=other\nLOGNAME=other\nA=2\n");
  spec.wire.replace_environment = 1;
  spec.argv = {"/bin/env"};
  sandbox_->Run(spec, &output);
  EXPECT_EQ(output, "A=2\nHOME=/elsewhere\n");
  Spec numeric = Command({"id", "-u"});
  numeric.user = "4321:4322";
  sandbox_->Run(numeric, &output);
  EXPECT_EQ(output, "4321\n");
}

TEST_F(ExecTest, TimeoutKillsWhatIgnoresTermAndLeftTheGroup) {
  Spec spec = Script(
      "trap '' TERM; setsid sleep 1000 & setsid sh -c 'trap \"\" TERM; sleep 1000' & "
      "while :; do sleep 1000; done");
  spec.wire.wall_limit_ms = 1000;  // the traps must be set by then
  auto exec = sandbox_->Start(spec);
  ExecEnd end = sandbox_->AwaitEnd(exec.get());
  EXPECT_EQ(end.cause, EndCause::kTimedOut);
  EXPECT_EQ(end.signal, SIGKILL);
  EXPECT_EQ(ReadWholeFile(exec->cgroup_path + "/cgroup.procs"), "");
}

TEST_F(ExecTest, TimeoutLetsACommandThatHeedsTermExitByItself) {
  Spec spec = Script("trap 'exit 9' TERM; while :; do sleep 0.01; done");
  spec.wire.wall_limit_ms = 1000;  // the trap must be set by then
  spec.wire.term_grace_ms = 9000;
  ExecEnd end = sandbox_->Run(spec);
  EXPECT_EQ(end.cause, EndCause::kTimedOut);
  EXPECT_EQ(end.exit_code, 9);
}

TEST_F(ExecTest, IdleLimitEndsASilentCommandOnly) {
  Spec spec = Script("for i in 1 2 3 4 5; do echo $i; sleep 0.05; done; sleep 1000");
  spec.wire.idle_limit_ms = 1500;  // a busy machine may stretch the sleeps
  std::string output;
  ExecEnd end = sandbox_->Run(spec, &output);
  EXPECT_EQ(end.cause, EndCause::kIdleTimedOut);
  EXPECT_EQ(output, "1\n2\n3\n4\n5\n");
}

TEST_F(ExecTest, BackgroundChildThatHoldsStdoutDoesNotHoldTheEnd) {
  auto exec = sandbox_->Start(Script("echo before; sleep 1000 & exit 3"));
  ExecEnd end = sandbox_->AwaitEnd(exec.get());
  EXPECT_EQ(end.cause, EndCause::kExited);
  EXPECT_EQ(end.exit_code, 3);
  EXPECT_EQ(end.survivors, 1u);
  EXPECT_EQ(end.pipe_held, 1u);
  EXPECT_EQ(exec->Output(OutputStream::kStdout), "before\n");
  EXPECT_EQ(ReadWholeFile(exec->cgroup_path + "/cgroup.procs"), "") << "survivors are killed";
}

TEST_F(ExecTest, SurvivorsAreKeptWhenAskedFor) {
  Spec spec = Script("exec >/dev/null 2>&1; sleep 1000 & exit 0");
  spec.wire.keep_survivors = 1;
  auto exec = sandbox_->Start(spec);
  ExecEnd end = sandbox_->AwaitEnd(exec.get());
  EXPECT_EQ(end.survivors, 1u);
  EXPECT_EQ(end.pipe_held, 0u);
  EXPECT_NE(ReadWholeFile(exec->cgroup_path + "/cgroup.procs"), "");
}

TEST_F(ExecTest, ClientSignalsReachLeaderGroupAndTree) {
  for (SignalScope scope : {SignalScope::kLeader, SignalScope::kGroup, SignalScope::kTree}) {
    for (int signal : {SIGKILL, SIGTERM, SIGUSR1, SIGPIPE, SIGRTMAX}) {
      auto exec = sandbox_->Start(Command({"sleep", "1000"}));
      sandbox_->NextOf(FrameKind::kStarted);
      sandbox_->Send(FrameKind::kSignal, exec->exec_no,
                     SignalBody{static_cast<uint32_t>(signal), scope});
      ExecEnd end = sandbox_->AwaitEnd(exec.get());
      EXPECT_EQ(end.cause, EndCause::kKilledByClient);
      EXPECT_EQ(end.signal, signal);
    }
  }
  Spec spec = Script("trap '' USR1; echo up; read line; kill -USR2 $$");
  spec.wire.stdin_mode = StdinMode::kPipe;  // so that it still runs when the signal comes
  auto exec = sandbox_->Start(spec);
  sandbox_->NextOf(FrameKind::kStarted);
  sandbox_->AwaitOutput(exec.get(), "up\n");
  sandbox_->Send(FrameKind::kSignal, exec->exec_no, SignalBody{SIGUSR1, SignalScope::kTree});
  sandbox_->SendInput(*exec, 0, "", true);
  ExecEnd end = sandbox_->AwaitEnd(exec.get());
  EXPECT_EQ(end.cause, EndCause::kSignaled) << "another signal than the client's";
  EXPECT_EQ(end.signal, SIGUSR2);
}

TEST_F(ExecTest, FilterIsInstalledAndABadOneNamesItsStep) {
  InitRig::Options options;
  options.plan = [](PlanBuilder* plan) {
    plan->AddFilter({{BPF_RET | BPF_K, 0, 0, SECCOMP_RET_ALLOW}});  // of init
    // mkdir (83) answers 99; the rest is allowed.
    plan->AddFilter({{BPF_LD | BPF_W | BPF_ABS, 0, 0, 0},
                     {BPF_JMP | BPF_JEQ | BPF_K, 0, 1, 83},
                     {BPF_RET | BPF_K, 0, 0, SECCOMP_RET_ERRNO | 99},
                     {BPF_RET | BPF_K, 0, 0, SECCOMP_RET_ALLOW}});
  };
  auto filtered = rig_.Ready(options);
  std::string output;
  filtered->Run(Command({"cat", "/proc/self/status"}), &output);
  EXPECT_NE(output.find("Seccomp:\t2"), std::string::npos) << output;
  EXPECT_NE(filtered->Run(Command({"mkdir", "/tmp/made"})).exit_code, 0);
  options.plan = [](PlanBuilder* plan) {
    plan->AddFilter({{BPF_RET | BPF_K, 0, 0, SECCOMP_RET_ALLOW}});
    plan->AddFilter({{0xffff, 0, 0, 0}});
  };
  auto broken = rig_.Ready(options);
  ExecEnd end = broken->Run(Command({"true"}));
  EXPECT_EQ(end.failed_step, ExecStep::kFilter);
  EXPECT_EQ(end.error, EINVAL);
}

TEST_F(ExecTest, ResourceLimitsHoldInCommands) {
  InitRig::Options options;
  options.plan = [](PlanBuilder* plan) {
    plan->AddRlimit(RLIMIT_NOFILE, 100, 4096);
    plan->AddRlimit(RLIMIT_CPU, 50, 60);
    plan->AddRlimit(RLIMIT_AS, 1 << 30, 1 << 30);
    plan->AddRlimit(RLIMIT_CORE, 0, 0);
  };
  auto sandbox = rig_.Ready(options);
  std::string output;
  sandbox->Run(Script("ulimit -Sn; ulimit -Hn; ulimit -Ht; ulimit -Hv; ulimit -Hc"), &output);
  EXPECT_EQ(output, "100\n4096\n60\n1048576\n0\n");
}

TEST_F(ExecTest, ExecsBeyondTheLimitAndBadRegionsAreRefused) {
  InitRig::Options options;
  options.plan = [](PlanBuilder* plan) { plan->plan.exec_max = 1; };
  auto sandbox = rig_.Ready(options);
  auto first = sandbox->Start(Command({"sleep", "1000"}));
  sandbox->NextOf(FrameKind::kStarted);
  auto second = sandbox->Start(Command({"true"}));
  EXPECT_EQ(sandbox->NextOf(FrameKind::kRefused).As<RefusedBody>().error, EAGAIN);
  sandbox->Send(FrameKind::kSignal, first->exec_no, SignalBody{SIGKILL, SignalScope::kTree});
  sandbox->AwaitEnd(first.get());
  EXPECT_EQ(sandbox->Run(Command({"true"})).exit_code, 0);
}

TEST_F(ExecTest, MalformedFrameDropsTheConnectionOnly) {
  auto exec = sandbox_->Start(Command({"sleep", "1000"}));
  sandbox_->NextOf(FrameKind::kStarted);
  sandbox_->Send(FrameKind::kSignal, exec->exec_no, "x", 1);
  EXPECT_THROW(sandbox_->Next(), std::runtime_error);
  sandbox_->Connect();
  sandbox_->Send(FrameKind::kSignal, exec->exec_no, SignalBody{SIGKILL, SignalScope::kTree});
  EXPECT_EQ(sandbox_->AwaitEnd(exec.get()).cause, EndCause::kKilledByClient);
}

TEST_F(ExecTest, KilledInitTakesEverythingAlong) {
  auto exec = sandbox_->Start(Script("setsid sleep 1000 & setsid sleep 1000 & sleep 1000"));
  sandbox_->NextOf(FrameKind::kStarted);
  sandbox_->Kill();
  EXPECT_EQ(ReadWholeFile(exec->cgroup_path + "/cgroup.procs"), "");
}

TEST_F(ExecTest, OrphansAreReaped) {
  std::string output;
  sandbox_->Run(Script("for i in 1 2 3 4 5 6 7 8; do (setsid true &) ; done; sleep 0.1; "
                       "grep -l 'State:.Z' /proc/[0-9]*/status | wc -l"),
                &output);
  EXPECT_EQ(output, "0\n");
}

TEST_F(ExecTest, SeveralExecsRunAtOnce) {
  std::vector<std::unique_ptr<TestExec>> execs;
  for (int i = 0; i < 12; ++i) {
    execs.push_back(sandbox_->Start(Script("cat; exit " + std::to_string(i))));
  }
  std::vector<int> codes(execs.size(), -1);
  for (size_t i = 0; i < execs.size(); ++i) {
    Frame frame = sandbox_->NextOf(FrameKind::kEnd);
    codes[frame.header.exec_no - execs[0]->exec_no] = frame.As<ExecEnd>().exit_code;
  }
  for (size_t i = 0; i < codes.size(); ++i) EXPECT_EQ(codes[i], static_cast<int>(i));
}

}  // namespace
}  // namespace glovebox
