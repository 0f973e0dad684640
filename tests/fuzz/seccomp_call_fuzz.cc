// Any system call, by the table that is explained to people and by the programs that the kernel
// runs.
#include <linux/audit.h>

#include <map>

#include "launcher/seccomp_compiler.h"
#include "policy/seccomp_answer.h"
#include "tests/fuzz/fuzz_input.h"
#include "tests/fuzz/targets.h"
#include "tests/support/bpf_evaluator.h"
#include "tests/support/seccomp_call.h"

namespace glovebox {
namespace {

uint32_t ActionOf(const std::vector<sock_filter>& program, const seccomp_data& data) {
  const auto result = EvaluateBpf(program, data);
  Demand(result.ok(), "a program runs to its end on every call");
  return result->action;
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
  for (auto& argument : data.args) argument = input.Take<uint64_t>();
  const SeccompVerdict verdict = JudgeSyscall(tier, CallOf(data));
  const uint32_t action =
      StricterAction(ActionOf(programs.allow_list, data), ActionOf(programs.argument_rules, data));
  Demand(action == ActionFor(verdict, RefusalForm::kTold), "the kernel does what people are told");
}

}  // namespace glovebox
