#include "tests/support/bpf_evaluator.h"

#include "gtest/gtest.h"

namespace glovebox {
namespace {

TEST(BpfEvaluator, ComparesMasksAndReturns) {
  const std::vector<sock_filter> program = {
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, args)),
      BPF_STMT(BPF_ALU | BPF_AND | BPF_K, 0xf0),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 0x30, 0, 1),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | 5),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
  };
  seccomp_data data{};
  data.args[0] = 0xffffffff00000031;
  EXPECT_EQ(EvaluateBpf(program, data)->action, SECCOMP_RET_ERRNO | 5u);
  data.args[0] = 0x41;
  EXPECT_EQ(EvaluateBpf(program, data)->action, SECCOMP_RET_ALLOW);
}

TEST(BpfEvaluator, RefusesWhatTheKernelWouldNotLoad) {
  const seccomp_data data{};
  EXPECT_FALSE(EvaluateBpf({}, data).ok());
  EXPECT_FALSE(EvaluateBpf({BPF_STMT(BPF_LD | BPF_W | BPF_ABS, 0)}, data).ok());
  EXPECT_FALSE(EvaluateBpf({BPF_STMT(BPF_LD | BPF_W | BPF_ABS, sizeof(seccomp_data)),
                            BPF_STMT(BPF_RET | BPF_K, 0)},
                           data)
                   .ok());
  EXPECT_FALSE(
      EvaluateBpf({BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 0, 9, 9), BPF_STMT(BPF_RET | BPF_K, 0)},
                  data)
          .ok());
}

TEST(BpfEvaluator, TheStricterOfTwoActionsIsTheKernels) {
  EXPECT_EQ(StricterAction(SECCOMP_RET_ALLOW, SECCOMP_RET_ERRNO | 1), SECCOMP_RET_ERRNO | 1u);
  EXPECT_EQ(StricterAction(SECCOMP_RET_KILL_PROCESS, SECCOMP_RET_ERRNO), SECCOMP_RET_KILL_PROCESS);
}

}  // namespace
}  // namespace glovebox
