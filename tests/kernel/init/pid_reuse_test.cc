// A pid namespace of thirty numbers, so that each is soon another process's: a signal to one
// command never reaches another one that has a number of the first by then.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include "tests/kernel/init/init_rig.h"
#include "tests/support/must_run.h"

namespace glovebox {
namespace {

constexpr char kSmall[] =
    "330";  // the least is 301, and after the first round none below 300 is given
constexpr int kLooksMax = 100'000;

// The number after `name` in a file of "name: number number" lines; its last one: of the innermost
// namespace.
int LastNumber(int host_pid, const std::string& name) {
  std::istringstream status(ReadWholeFile("/proc/" + std::to_string(host_pid) + "/status"));
  for (std::string line; std::getline(status, line);) {
    if (line.rfind(name + ":", 0) == 0) return std::stoi(line.substr(line.find_last_of("\t ") + 1));
  }
  return 0;
}

std::string CommandOf(int host_pid) {
  const std::string text = ReadWholeFile("/proc/" + std::to_string(host_pid) + "/comm");
  return text.substr(0, text.find('\n'));
}

std::vector<int> HostPids(const TestExec& exec) {
  std::istringstream text(ReadWholeFile(exec.cgroup_path + "/cgroup.procs"));
  std::vector<int> pids;
  for (int pid; text >> pid;) pids.push_back(pid);
  return pids;
}

// Whether its group has the terminal: fields 5 and 8 of stat.
bool IsForeground(int host_pid) {
  const std::string text = ReadWholeFile("/proc/" + std::to_string(host_pid) + "/stat");
  if (text.find(')') == std::string::npos) return false;
  std::istringstream fields(text.substr(text.rfind(')') + 2));
  std::string state;
  int parent = 0;
  int group = 0;
  int session = 0;
  int terminal = 0;
  int foreground = 0;
  fields >> state >> parent >> group >> session >> terminal >> foreground;
  return group > 0 && group == foreground;
}

class PidReuseTest : public ::testing::Test {
 protected:
  void SetUp() override {
    Spec shrink = Script("echo $(cat /proc/sys/kernel/pid_max); echo " + std::string(kSmall) +
                         " > /proc/sys/kernel/pid_max");
    shrink.user = "root";
    const std::string before = ReadWholeFile("/proc/sys/kernel/pid_max");
    std::string output;
    const bool written = sandbox_->Run(shrink, &output).exit_code == 0;
    ASSERT_EQ(ReadWholeFile("/proc/sys/kernel/pid_max"), before) << "the host's own";
    SKIP_BEFORE_LINUX(6, 14, written, "a pid_max of each pid namespace");
    sandbox_->Run(Script("i=0; while [ $i -lt 340 ]; do true & wait; i=$((i+1)); done"));
  }
  static Spec Script(const std::string& text) {
    Spec spec;
    spec.argv = {"/bin/sh", "-c", text};
    return spec;
  }
  static InitRig::Options Options() {
    InitRig::Options options;
    options.plan = [](PlanBuilder* builder) {
      builder->plan.root_inside = 1;
      builder->plan.payload_capabilities = 0x4fb;
      builder->plan.mask_count = 0;
    };
    return options;
  }
  // Of the processes of `exec` the one that runs `command` and has the terminal.
  static int AwaitForeground(const TestExec& exec, const std::string& command) {
    for (int look = 0; look < kLooksMax; ++look) {
      for (const int pid : HostPids(exec)) {
        if (CommandOf(pid) == command && IsForeground(pid)) return pid;
      }
      sched_yield();
    }
    throw std::runtime_error(command + " does not get the terminal");
  }
  static void AwaitCount(const TestExec& exec, size_t count) {
    for (int look = 0; look < kLooksMax && HostPids(exec).size() != count; ++look) sched_yield();
    ASSERT_EQ(HostPids(exec).size(), count);
  }

  InitRig rig_;
  std::unique_ptr<TestSandbox> sandbox_ = rig_.Ready(Options());
};

// A terminal goes on naming its foreground group when that one is gone.
TEST_F(PidReuseTest, TheForegroundGroupOfATerminalThatIsGoneIsNobodyElse) {
  Spec first = Script("sh -mc 'sleep 1000; true'; while :; do read line; done");
  first.wire.terminal = 1;
  auto owner = sandbox_->Start(first);
  const int job = AwaitForeground(*owner, "sleep");
  const int group = LastNumber(job, "NSpid");
  ASSERT_GT(group, 1);
  for (const int pid : HostPids(*owner)) {
    const int inside = LastNumber(pid, "NSpid");
    // The shell that would take the terminal back, and then its job.
    if (pid == job || inside == LastNumber(pid, "NSsid")) continue;
    ASSERT_EQ(::kill(pid, SIGKILL), 0);
  }
  AwaitCount(*owner, 2);
  ASSERT_EQ(::kill(job, SIGKILL), 0);
  AwaitCount(*owner, 1);

  const std::string number = std::to_string(group);
  auto other = sandbox_->Start(Script("while :; do setsid sh -c '[ $$ = " + number +
                                      " ] || exit 1; echo got; exec sleep 1000'; s=$?; "
                                      "[ $s = 1 ] || break; done; echo status $s"));
  sandbox_->AwaitOutput(other.get(), "got\n");
  int reuser = 0;
  for (const int pid : HostPids(*other)) {
    if (LastNumber(pid, "NSpid") == group) reuser = pid;
  }
  ASSERT_NE(reuser, 0);
  ASSERT_EQ(LastNumber(reuser, "NSpgid"), group) << "a group of the same number";
  sandbox_->Send(FrameKind::kSignal, owner->exec_no, SignalBody{SIGHUP, SignalScope::kGroup});
  sandbox_->Send(FrameKind::kSignal, owner->exec_no, SignalBody{SIGHUP, SignalScope::kTree});
  ExecEnd end = sandbox_->AwaitEnd(owner.get());  // so both were carried out
  EXPECT_EQ(end.signal, SIGHUP);
  ASSERT_EQ(::kill(reuser, SIGTERM), 0)
      << "it was ended";  // the kernel hands out SIGHUP first, if that was sent
  sandbox_->AwaitEnd(other.get());
  EXPECT_EQ(other->Output(OutputStream::kStdout), "got\nstatus 143\n");
}

// Numbers that were read from a cgroup may be others' when the signal goes out.
TEST_F(PidReuseTest, ATreeThatForksAllTheTimeGetsItsSignalsAndItsNeighbourNone) {
  constexpr int kSignals = 400;
  const std::string churn = "while :; do (:) || { echo hit; break; }; done";
  auto target = sandbox_->Start(Script("trap '' USR1; echo up; " + churn));
  sandbox_->AwaitOutput(target.get(), "up\n");
  auto neighbour = sandbox_->Start(Script("echo up; " + churn));
  sandbox_->AwaitOutput(neighbour.get(), "up\n");
  for (int i = 0; i < kSignals; ++i) {
    sandbox_->Send(FrameKind::kSignal, target->exec_no, SignalBody{SIGUSR1, SignalScope::kTree});
  }
  sandbox_->Send(FrameKind::kSignal, target->exec_no, SignalBody{SIGKILL, SignalScope::kTree});
  EXPECT_EQ(sandbox_->AwaitEnd(target.get()).signal, SIGKILL);
  EXPECT_EQ(neighbour->Output(OutputStream::kStdout), "up\n");
  EXPECT_FALSE(HostPids(*neighbour).empty());
  sandbox_->Send(FrameKind::kSignal, neighbour->exec_no, SignalBody{SIGKILL, SignalScope::kTree});
  EXPECT_EQ(sandbox_->AwaitEnd(neighbour.get()).signal, SIGKILL);
}

}  // namespace
}  // namespace glovebox
