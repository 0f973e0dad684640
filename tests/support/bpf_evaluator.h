// Runs a seccomp BPF program on a made-up system call, without the kernel.
#ifndef GLOVEBOX_TESTS_SUPPORT_BPF_EVALUATOR_H_
#define GLOVEBOX_TESTS_SUPPORT_BPF_EVALUATOR_H_

#include <linux/filter.h>
#include <linux/seccomp.h>

#include <cstdint>
#include <vector>

#include "absl/status/statusor.h"

namespace glovebox {

struct BpfResult {
  uint32_t action = 0;  // SECCOMP_RET_*
  int steps = 0;        // instructions that were executed
};

// INVALID_ARGUMENT for what the kernel's checker would refuse: an instruction that seccomp does not
// have, a load outside of seccomp_data, a jump or a fall off the end.
absl::StatusOr<BpfResult> EvaluateBpf(const std::vector<sock_filter>& program,
                                      const seccomp_data& data);

// What the kernel makes of several filters: the stricter action.
uint32_t StricterAction(uint32_t a, uint32_t b);

}  // namespace glovebox

#endif  // GLOVEBOX_TESTS_SUPPORT_BPF_EVALUATOR_H_
