// A made-up system call in the kernel's form and in the table's, and what the compiled programs
// have to make of the table's answer.
#ifndef GLOVEBOX_TESTS_SUPPORT_SECCOMP_CALL_H_
#define GLOVEBOX_TESTS_SUPPORT_SECCOMP_CALL_H_

#include <linux/audit.h>
#include <linux/seccomp.h>

#include <cstdint>

#include "launcher/seccomp_compiler.h"
#include "policy/seccomp_answer.h"

namespace glovebox {

inline constexpr uint32_t kX32Bit = 0x40000000;

inline SeccompArch ArchOf(const seccomp_data& data) {
  if (data.arch == AUDIT_ARCH_I386) return SeccompArch::kI386;
  if (data.arch != AUDIT_ARCH_X86_64) return SeccompArch::kOther;
  const auto number = static_cast<uint32_t>(data.nr);
  return number >= kX32Bit && number != 0xffffffff ? SeccompArch::kX32 : SeccompArch::kX86_64;
}

inline SeccompCall CallOf(const seccomp_data& data) {
  SeccompCall call{ArchOf(data), static_cast<uint32_t>(data.nr), {}};
  for (int i = 0; i < 6; ++i) call.arguments[i] = data.args[i];
  return call;
}

inline uint32_t ActionFor(const SeccompVerdict& verdict, RefusalForm form) {
  if (verdict.kills) return SECCOMP_RET_KILL_PROCESS;
  if (verdict.error == 0) return SECCOMP_RET_ALLOW;
  if (form == RefusalForm::kTold && verdict.telling) return SECCOMP_RET_USER_NOTIF;
  return SECCOMP_RET_ERRNO | static_cast<uint32_t>(verdict.error);
}

}  // namespace glovebox

#endif  // GLOVEBOX_TESTS_SUPPORT_SECCOMP_CALL_H_
