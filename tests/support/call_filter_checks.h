// What holds for the filter of every confined process of ours (runtime/linux/allow_filter.h).
#ifndef GLOVEBOX_TESTS_SUPPORT_CALL_FILTER_CHECKS_H_
#define GLOVEBOX_TESTS_SUPPORT_CALL_FILTER_CHECKS_H_

#include <gtest/gtest.h>
#include <linux/audit.h>
#include <linux/seccomp.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <set>
#include <vector>

#include "linux/allow_filter.h"
#include "tests/support/bpf_evaluator.h"

namespace glovebox {

// Whether the program made of `calls` lets one pass; else it ends the process.
inline bool Allows(const std::vector<AllowedCall>& calls, uint32_t number,
                   std::array<uint64_t, 6> arguments = {}, uint32_t arch = AUDIT_ARCH_X86_64) {
  seccomp_data data{};
  data.nr = static_cast<int>(number);
  data.arch = arch;
  std::copy(arguments.begin(), arguments.end(), data.args);
  const auto result = EvaluateBpf(AllowFilter(calls), data);
  EXPECT_TRUE(result.ok()) << result.status();
  if (!result.ok()) return false;
  EXPECT_TRUE(result->action == SECCOMP_RET_ALLOW || result->action == SECCOMP_RET_KILL_PROCESS);
  return result->action == SECCOMP_RET_ALLOW;
}

// `never`: calls that must not be listed, besides those that no process of ours may make.
inline void ExpectWhatIsNotListedEndsTheProcess(const std::vector<AllowedCall>& calls,
                                                std::set<long> never) {
  std::set<uint32_t> listed;
  for (const AllowedCall& call : calls) {
    const bool first = listed.insert(call.number).second;
    // Without arguments it would make what is said of the other one's idle.
    EXPECT_TRUE(first || !call.arguments.empty()) << call.name;
  }
  for (uint32_t number = 0; number < 1024; ++number) {
    if (listed.contains(number)) continue;
    EXPECT_FALSE(Allows(calls, number)) << number;
  }
  never.insert({SYS_openat, SYS_open, SYS_openat2, SYS_execve, SYS_execveat, SYS_ptrace, SYS_listen,
                SYS_clone, SYS_clone3, SYS_fork, SYS_prctl, SYS_dup, SYS_setuid, SYS_unshare,
                SYS_setns, SYS_io_uring_setup, SYS_process_vm_readv, SYS_pidfd_getfd, SYS_bpf});
  for (const long number : never) {
    EXPECT_FALSE(listed.contains(static_cast<uint32_t>(number))) << number;
  }
}

inline void ExpectAnotherArchitectureEndsTheProcess(const std::vector<AllowedCall>& calls) {
  EXPECT_TRUE(Allows(calls, SYS_read));
  EXPECT_FALSE(Allows(calls, SYS_read, {}, AUDIT_ARCH_I386));
  EXPECT_FALSE(Allows(calls, SYS_read | 0x40000000));  // x32
}

inline void ExpectMemoryIsOfNoFileAndNeverExecutable(const std::vector<AllowedCall>& calls) {
  const uint64_t anonymous = MAP_PRIVATE | MAP_ANONYMOUS;
  EXPECT_TRUE(Allows(calls, SYS_mmap, {0, 4096, PROT_READ | PROT_WRITE, anonymous, ~0ULL, 0}));
  EXPECT_FALSE(Allows(calls, SYS_mmap, {0, 4096, PROT_READ | PROT_EXEC, anonymous, ~0ULL, 0}));
  EXPECT_FALSE(Allows(calls, SYS_mmap, {0, 4096, PROT_READ, MAP_PRIVATE, 3, 0})) << "of a file";
  EXPECT_TRUE(Allows(calls, SYS_mprotect, {0, 4096, PROT_READ}));
  EXPECT_FALSE(Allows(calls, SYS_mprotect, {0, 4096, PROT_READ | PROT_EXEC}));
}

}  // namespace glovebox

#endif  // GLOVEBOX_TESTS_SUPPORT_CALL_FILTER_CHECKS_H_
