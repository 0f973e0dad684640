// Any system call, by the table that is explained to people and by the programs that the kernel
// runs.
#include <linux/audit.h>

#include <map>

#include "launcher/seccomp_compiler.h"
#include "policy/seccomp_answer.h"
#include "tests/fuzz/fuzz_input.h"
#include "tests/fuzz/targets.h"
#include "tests/support/bpf_evaluator.h"

namespace glovebox {
namespace {

constexpr uint32_t kX32Bit = 0x40000000;

SeccompArch ArchOf(const seccomp_data& data) {
  if (data.arch == AUDIT_ARCH_I386) return SeccompArch::kI386;
  if (data.arch != AUDIT_ARCH_X86_64) return SeccompArch::kOther;
  const auto number = static_cast<uint32_t>(data.nr);
  return number >= kX32Bit && number != 0xffffffff ? SeccompArch::kX32 : SeccompArch::kX86_64;
}

uint32_t ActionOf(const std::vector<sock_filter>& program, const seccomp_data& data) {
  const auto result = EvaluateBpf(program, data);
  Demand(result.ok(), "a program runs to its end on every call");
  return result->action;
}

uint32_t ExpectedAction(const SeccompVerdict& verdict) {
  if (verdict.kills) return SECCOMP_RET_KILL_PROCESS;
  if (verdict.error == 0) return SECCOMP_RET_ALLOW;
  if (verdict.telling) return SECCOMP_RET_USER_NOTIF;
  return SECCOMP_RET_ERRNO | static_cast<uint32_t>(verdict.error);
}

}  // namespace

void FuzzSeccompCall(absl::string_view bytes) {
  static std::map<SeccompTier, SeccompPrograms> compiled;
  FuzzInput input(bytes);
  const SeccompTier tier = kSeccompTiers[input.Byte() % std::size(kSeccompTiers)];
  if (!compiled.contains(tier)) compiled[tier] = CompileSeccomp(tier, RefusalForm::kTold);
  const SeccompPrograms& programs = compiled[tier];

  constexpr uint32_t kArchitectures[] = {AUDIT_ARCH_X86_64, AUDIT_ARCH_I386, AUDIT_ARCH_ARM};
  seccomp_data data{};
  data.arch = kArchitectures[input.Byte() % std::size(kArchitectures)];
  data.nr = input.Take<int32_t>();
  SeccompCall call{ArchOf(data), static_cast<uint32_t>(data.nr), {}};
  for (int i = 0; i < 6; ++i) {
    data.args[i] = input.Take<uint64_t>();
    call.arguments[i] = data.args[i];
  }
  const SeccompVerdict verdict = JudgeSyscall(tier, call);
  const uint32_t action =
      StricterAction(ActionOf(programs.allow_list, data), ActionOf(programs.argument_rules, data));
  Demand(action == ExpectedAction(verdict), "the kernel does what people are told");
}

}  // namespace glovebox
