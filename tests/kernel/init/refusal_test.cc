// What init says of system calls that were refused to commands, with the real filters.
#include <linux/audit.h>
#include <linux/filter.h>
#include <signal.h>
#include <sys/syscall.h>

#include <cerrno>
#include <string>

#include "gtest/gtest.h"
#include "launcher/seccomp_compiler.h"
#include "tests/kernel/init/init_rig.h"

namespace glovebox {
namespace {

Spec Script(const std::string& text) {
  Spec spec;
  spec.argv = {"sh", "-c", text};
  return spec;
}

class RefusalTest : public ::testing::Test {
 protected:
  static InitRig::Options With(RefusalForm form) {
    InitRig::Options options;
    options.plan = [form](PlanBuilder* plan) {
      const SeccompPrograms programs = CompileSeccomp(SeccompTier::kBuild, form);
      plan->AddFilter(programs.allow_list);
      plan->AddFilter(programs.argument_rules);
      if (programs.answers.empty()) return;
      while (plan->tail.size() % 8 != 0) plan->tail += '\0';
      plan->plan.answers = {static_cast<uint32_t>(sizeof(LaunchPlan) + plan->tail.size()),
                            static_cast<uint32_t>(programs.answers.size())};
      plan->tail.append(reinterpret_cast<const char*>(programs.answers.data()),
                        programs.answers.size() * sizeof(sock_filter));
    };
    return options;
  }

  InitRig rig_;
  std::unique_ptr<TestSandbox> sandbox_ = rig_.Ready(With(RefusalForm::kTold));
};

TEST_F(RefusalTest, RefusedCallsGetTheirErrnoAndAreCountedByKind) {
  std::string output, error;
  const ExecEnd end = sandbox_->Run(
      Script("unshare -u true; chroot / true; unshare -u true; unshare -m true; echo done"),
      &output, &error);
  EXPECT_EQ(output, "done\n");
  EXPECT_NE(error.find("Operation not permitted"), std::string::npos) << error;
  EXPECT_EQ(error.find("not implemented"), std::string::npos) << error;
  ASSERT_EQ(end.denial_count, 2u);
  EXPECT_EQ(end.denials[0].number, static_cast<uint32_t>(SYS_unshare));
  EXPECT_EQ(end.denials[0].count, 3u);
  EXPECT_EQ(end.denials[0].arch, AUDIT_ARCH_X86_64);
  EXPECT_EQ(end.denials[0].answer, static_cast<uint32_t>(EPERM));
  EXPECT_EQ(end.denials[0].arguments[0], 0u) << "arguments that decide nothing are not kept";
  EXPECT_EQ(end.denials[1].number, static_cast<uint32_t>(SYS_chroot));
  EXPECT_EQ(end.denials[1].count, 1u);
  EXPECT_EQ(end.denials_uncounted, 0u);
}

TEST_F(RefusalTest, ACommandWithoutRefusalsHasNone) {
  const ExecEnd end = sandbox_->Run(Script("ls / | wc -l; mknod /tmp/fifo p"));
  EXPECT_EQ(end.cause, EndCause::kExited);
  EXPECT_EQ(end.exit_code, 0);
  EXPECT_EQ(end.denial_count, 0u);
}

TEST_F(RefusalTest, ARuleKeepsTheArgumentsThatDecided) {
  const ExecEnd end = sandbox_->Run(Script("mknod /tmp/null c 1 3; mknod /tmp/disk b 8 0"));
  ASSERT_EQ(end.denial_count, 2u);
  for (uint32_t i = 0; i < 2; ++i) {
    const ExecDenial& denial = end.denials[i];
    SeccompCall call{SeccompArch::kX86_64, denial.number, {}};
    for (int k = 0; k < 3; ++k) call.arguments[k] = denial.arguments[k];
    const SeccompVerdict verdict = JudgeSyscall(SeccompTier::kBuild, call);
    ASSERT_NE(verdict.rule, nullptr) << denial.number;
    EXPECT_EQ(static_cast<uint32_t>(verdict.rule - SeccompArgumentRules().data()) + 1,
              denial.answer >> kDenialRuleShift);
    EXPECT_EQ(verdict.error, EPERM);
  }
}

TEST_F(RefusalTest, EachExecHasItsOwn) {
  auto first = sandbox_->Start(Script("mkfifo /tmp/go; read line < /tmp/go; unshare -u true"));
  sandbox_->NextOf(FrameKind::kStarted);
  const ExecEnd other = sandbox_->Run(Script("chroot / true"));
  ASSERT_EQ(other.denial_count, 1u);
  EXPECT_EQ(other.denials[0].number, static_cast<uint32_t>(SYS_chroot));
  auto waker =
      sandbox_->Start(Script("while [ ! -p /tmp/go ]; do true; done; echo > /tmp/go; sleep 1000"));
  const ExecEnd end = sandbox_->AwaitEnd(first.get());
  ASSERT_EQ(end.denial_count, 1u);
  EXPECT_EQ(end.denials[0].number, static_cast<uint32_t>(SYS_unshare));
  sandbox_->Send(FrameKind::kSignal, waker->exec_no, SignalBody{SIGKILL, SignalScope::kTree});
  EXPECT_EQ(sandbox_->AwaitEnd(waker.get()).denial_count, 0u);
}

// The exec's end is stored and acknowledged; its filter is still in force.
TEST_F(RefusalTest, ASurvivorOfAnEndedExecStillGetsTheErrnoOfThePolicy) {
  Spec spec = Script(
      "mkfifo /tmp/go /tmp/said;"
      "(read line < /tmp/go; unshare -u true 2> /tmp/said) > /dev/null 2>&1 & true");
  spec.wire.keep_survivors = 1;
  const ExecEnd end = sandbox_->Run(spec);
  EXPECT_EQ(end.survivors, 1u);
  std::string output;
  sandbox_->Run(Script("echo > /tmp/go; cat /tmp/said"), &output);
  EXPECT_NE(output.find("Operation not permitted"), std::string::npos) << output;
}

TEST_F(RefusalTest, AFloodOfRefusalsIsCountedAndLeavesOthersServed) {
  auto flood = sandbox_->Start(
      Script("mkfifo /tmp/go; i=0; while :; do chroot / true 2> /dev/null; i=$((i+1));"
             "[ $i = 50 ] && echo > /tmp/go; done"));
  sandbox_->NextOf(FrameKind::kStarted);
  std::string output;
  const ExecEnd other = sandbox_->Run(
      Script("while [ ! -p /tmp/go ]; do true; done; read line < /tmp/go; echo served"), &output);
  EXPECT_EQ(other.exit_code, 0);
  EXPECT_EQ(output, "served\n");
  sandbox_->Send(FrameKind::kSignal, flood->exec_no, SignalBody{SIGKILL, SignalScope::kTree});
  const ExecEnd end = sandbox_->AwaitEnd(flood.get());
  ASSERT_EQ(end.denial_count, 1u);
  EXPECT_GE(end.denials[0].count, 50u);
}

TEST_F(RefusalTest, WithoutTellingTheErrnoIsTheSame) {
  auto silent = rig_.Ready(With(RefusalForm::kErrno));
  std::string error;
  const ExecEnd end =
      silent->Run(Script("unshare -u true; mknod /tmp/null c 1 3"), nullptr, &error);
  EXPECT_NE(error.find("unshare: "), std::string::npos) << error;
  EXPECT_NE(error.find("Operation not permitted"), std::string::npos) << error;
  EXPECT_EQ(end.denial_count, 0u);
}

TEST_F(RefusalTest, CommandsHaveNoDescriptorOfTheListener) {
  std::string output;
  sandbox_->Run(Script("ls -l /proc/self/fd; grep Seccomp /proc/self/status"), &output);
  EXPECT_EQ(output.find("seccomp"), std::string::npos) << output;
  EXPECT_EQ(output.find("socket"), std::string::npos) << output;
  EXPECT_NE(output.find("Seccomp_filters:\t2"), std::string::npos) << output;
}

}  // namespace
}  // namespace glovebox
