// From the system call table to the BPF programs that glovebox-init installs.
#ifndef GLOVEBOX_LAUNCHER_SECCOMP_COMPILER_H_
#define GLOVEBOX_LAUNCHER_SECCOMP_COMPILER_H_

#include <linux/filter.h>

#include <string>
#include <vector>

#include "policy/seccomp_answer.h"
#include "policy/seccomp_table.h"

namespace glovebox {

// How refused calls are answered. Either way none is carried out, and the errno is the table's.
enum class RefusalForm : uint32_t {
  kErrno,  // inside the kernel
  // By glovebox-init, which is told of the call through a listener on filter B and can say later
  // what was refused. Only what is worth telling (SeccompVerdict::telling); the rest as kErrno. A
  // filter without its listener answers ENOSYS, so nothing is ever let through.
  kTold,
};

struct SeccompPrograms {
  SeccompTier tier = kDefaultSeccompTier;
  // Filter A, which init installs in itself once, for all commands: the allow list, and what init
  // needs besides.
  std::vector<sock_filter> allow_list;
  // Filter B, which each command adds: the argument rules, the refusals that are told, and no to
  // what only init needs.
  std::vector<sock_filter> argument_rules;
  // Not for the kernel: run by init on a call it was told of. Returns
  // (1 + index in SeccompArgumentRules(), or 0 for the row) << 16 | errno. Empty with kErrno.
  std::vector<sock_filter> answers;
};

// The rule part of what `answers` returns for a refusal.
inline constexpr uint32_t kAnswerRuleShift = 16;

// Tens of microseconds; callers compile once per tier all the same. Thread-safe, pure.
SeccompPrograms CompileSeccomp(SeccompTier tier, RefusalForm form);

// SHA-256, in hexadecimal digits, of what the tier's programs are in both forms: changes with every
// change of the policy that the kernel would notice, and with none else.
std::string SeccompDigest(SeccompTier tier);

}  // namespace glovebox

#endif  // GLOVEBOX_LAUNCHER_SECCOMP_COMPILER_H_
