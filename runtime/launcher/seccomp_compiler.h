// From the system call table to the two BPF programs that glovebox-init installs in every command.
#ifndef GLOVEBOX_LAUNCHER_SECCOMP_COMPILER_H_
#define GLOVEBOX_LAUNCHER_SECCOMP_COMPILER_H_

#include <linux/filter.h>

#include <vector>

#include "absl/status/statusor.h"
#include "policy/seccomp_table.h"

namespace glovebox {

// Both are installed, in this order; the kernel takes the stricter answer.
struct SeccompPrograms {
  std::vector<sock_filter> allow_list;      // filter A
  std::vector<sock_filter> argument_rules;  // filter B
};

// About 1 ms, so callers compile once per tier and keep the result. INTERNAL when libseccomp
// refuses a rule: the table and the library do not fit. Thread-safe.
absl::StatusOr<SeccompPrograms> CompileSeccomp(SeccompTier tier);

}  // namespace glovebox

#endif  // GLOVEBOX_LAUNCHER_SECCOMP_COMPILER_H_
