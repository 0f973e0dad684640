#include "service/convert_denials.h"

#include <optional>
#include <string>

#include "absl/strings/str_cat.h"
#include "policy/seccomp_answer.h"

namespace glovebox {
namespace {

// "mount" or, where arguments decided, "socket(0x2, 0x3, 0x0)": those that the call's rules look
// at, the others left out as "_".
std::string TargetOf(const SeccompVerdict& verdict, const RefusedCallFacts& facts) {
  std::string text = verdict.name;
  if (verdict.rule == nullptr) return text;
  const uint32_t ruled = RuledArguments(verdict.rule->number);
  const char* separator = "(";
  for (uint32_t i = 0; i < 3 && ruled >> i != 0; ++i) {
    absl::StrAppend(&text, separator);
    if ((ruled >> i & 1) != 0) {
      absl::StrAppend(&text, "0x", absl::Hex(facts.arguments[i]));
    } else {
      absl::StrAppend(&text, "_");
    }
    separator = ", ";
  }
  return absl::StrCat(text, ")");
}

}  // namespace

void SetDenials(const ExecResult& result, v1::End* end) {
  for (const RefusedCallFacts& facts : result.refused_calls) {
    SeccompCall call{facts.i386 ? SeccompArch::kI386 : SeccompArch::kX86_64, facts.number, {}};
    for (int i = 0; i < 3; ++i) call.arguments[i] = facts.arguments[i];
    const std::optional<SeccompVerdict> verdict = ExplainRefusal(call, facts.error);
    if (!verdict.has_value()) continue;
    v1::Denial* denial = end->add_denials();
    denial->set_target(TargetOf(*verdict, facts));
    denial->set_reason(v1::DENIAL_REASON_SYSTEM_CALL);
    denial->set_count(facts.count);
    denial->set_remedy(verdict->remedy);
    denial->set_rule(verdict->why);
    denial->set_error_number(facts.error);
  }
  end->set_denials_uncounted(result.refused_calls_uncounted);
}

}  // namespace glovebox
