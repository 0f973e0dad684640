#include "exec/refused_calls.h"

#include <linux/audit.h>

#include <algorithm>

#include "policy/seccomp_answer.h"

namespace glovebox {

void SetRefusedCalls(const ExecEnd& end, ExecResult* result) {
  constexpr uint32_t kErrnoMask = (1u << kDenialRuleShift) - 1;
  result->refused_calls_uncounted = end.denials_uncounted;
  for (uint32_t i = 0; i < std::min(end.denial_count, kDenialsMax); ++i) {
    const ExecDenial& denial = end.denials[i];
    RefusedCallFacts facts;
    facts.number = denial.number;
    facts.i386 = denial.arch == AUDIT_ARCH_I386;
    facts.error = static_cast<int>(denial.answer & kErrnoMask);
    facts.count = denial.count;
    SeccompCall call{facts.i386 ? SeccompArch::kI386 : SeccompArch::kX86_64, facts.number, {}};
    for (int k = 0; k < 3; ++k) call.arguments[k] = facts.arguments[k] = denial.arguments[k];
    if (ExplainRefusal(call, facts.error).has_value()) result->refused_calls.push_back(facts);
  }
}

}  // namespace glovebox
