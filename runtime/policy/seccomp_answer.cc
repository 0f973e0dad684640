#include "policy/seccomp_answer.h"

#include <algorithm>
#include <cerrno>

namespace glovebox {
namespace {

bool Holds(const ArgumentTest& test, const uint64_t (&arguments)[6]) {
  const uint32_t value = static_cast<uint32_t>(arguments[test.argument]);
  switch (test.kind) {
    case ArgumentTest::Kind::kMaskedEqual:
      return (value & test.mask) == test.value;
    case ArgumentTest::Kind::kEqual:
      return value == test.value;
    case ArgumentTest::Kind::kNotEqual:
      return value != test.value;
  }
  return true;
}

bool Holds(const ArgumentRule& rule, const uint64_t (&arguments)[6]) {
  return std::all_of(rule.tests.begin(), rule.tests.end(),
                     [&](const ArgumentTest& test) { return Holds(test, arguments); });
}

int ErrorOf(SeccompAction action) {
  switch (action) {
    case SeccompAction::kAllow:
      return 0;
    case SeccompAction::kRefuse:
      return EPERM;
    case SeccompAction::kAbsent:
      return ENOSYS;
  }
  return ENOSYS;
}

// The tier of less than this one's weakness in which the row's call is allowed.
std::string OtherTier(SeccompTier tier, const SeccompRow& row) {
  if (tier == SeccompTier::kStrict && row.build == SeccompAction::kAllow) {
    return "a sandbox of the tier build allows it";
  }
  if (row.nested == InNested::kAllowed) {
    return "a sandbox of the tier nested allows it, where the node allows that tier";
  }
  return "";
}

std::string RemedyOf(const char* own, const std::string& tier) {
  std::string remedy = own;
  if (!remedy.empty() && !tier.empty()) remedy += "; ";
  return remedy + tier;
}

std::string RuleRemedy(SeccompTier tier, const ArgumentRule& rule) {
  std::string other;
  if (tier == SeccompTier::kStrict && !rule.applies(SeccompTier::kBuild)) {
    other = "a sandbox of the tier build allows it";
  } else if (!rule.applies(SeccompTier::kNested)) {
    other = "a sandbox of the tier nested allows it, where the node allows that tier";
  }
  return RemedyOf(rule.remedy, other);
}

SeccompVerdict Killed(const char* name, const char* why) {
  SeccompVerdict verdict;
  verdict.kills = true;
  verdict.name = name;
  verdict.why = why;
  verdict.remedy = "build it for x86-64; 32-bit programs run in the tier i386, where allowed";
  return verdict;
}

// By number: what the row says. `row` is of the native call with the same policy, or nullptr.
SeccompVerdict FromAction(SeccompTier tier, SeccompAction action, const char* name, const char* why,
                          const SeccompRow* row) {
  SeccompVerdict verdict;
  verdict.error = ErrorOf(action);
  verdict.name = name;
  verdict.why = why;
  verdict.telling = action == SeccompAction::kRefuse;
  if (verdict.error != 0 && row != nullptr) {
    verdict.remedy = RemedyOf(row->remedy, OtherTier(tier, *row));
  }
  return verdict;
}

void ApplyRules(SeccompTier tier, uint32_t number, const SeccompCall& call,
                SeccompVerdict* verdict) {
  for (const ArgumentRule& rule : SeccompArgumentRules()) {
    if (rule.number != number || !rule.applies(tier) || !Holds(rule, call.arguments)) continue;
    verdict->error = rule.error;
    verdict->why = rule.why;
    verdict->rule = &rule;
    verdict->telling = rule.may_be_told && rule.error != ENOSYS;
    verdict->remedy = RuleRemedy(tier, rule);
    return;
  }
}

SeccompVerdict UnknownNumber() {
  SeccompVerdict verdict;
  verdict.error = ENOSYS;
  verdict.why = "a number that was not looked at, perhaps of a newer kernel; programs fall back";
  return verdict;
}

SeccompVerdict JudgeI386(SeccompTier tier, const SeccompCall& call) {
  if (tier != SeccompTier::kI386) return Killed(nullptr, "32-bit calls are another kernel entry");
  const SeccompI386Row* row = FindSeccompI386Row(call.number);
  if (row == nullptr) return UnknownNumber();
  const SeccompRow* like = row->like;
  SeccompVerdict verdict = FromAction(tier, row->action_in_tier(), row->name,
                                      like != nullptr ? like->why : row->why, like);
  if (verdict.error == 0 && like != nullptr) ApplyRules(tier, like->number, call, &verdict);
  return verdict;
}

}  // namespace

SeccompVerdict JudgeSyscall(SeccompTier tier, const SeccompCall& call) {
  switch (call.arch) {
    case SeccompArch::kI386:
      return JudgeI386(tier, call);
    case SeccompArch::kX32:
      return Killed(nullptr, "x32 calls are another kernel entry");
    case SeccompArch::kOther:
      return Killed(nullptr, "a foreign architecture");
    case SeccompArch::kX86_64:
      break;
  }
  const SeccompRow* row = FindSeccompRow(call.number);
  if (row == nullptr) return UnknownNumber();
  SeccompVerdict verdict = FromAction(tier, row->action(tier), row->name, row->why, row);
  if (verdict.error == 0) ApplyRules(tier, call.number, call, &verdict);
  return verdict;
}

std::optional<SeccompVerdict> ExplainRefusal(const SeccompCall& call, int error) {
  // The default first: most are of it.
  for (SeccompTier tier :
       {kDefaultSeccompTier, SeccompTier::kStrict, SeccompTier::kNested, SeccompTier::kI386}) {
    SeccompVerdict verdict = JudgeSyscall(tier, call);
    if (!verdict.kills && verdict.telling && verdict.error == error) return verdict;
  }
  return std::nullopt;
}

uint32_t RuledArguments(uint32_t number) {
  uint32_t ruled = 0;
  for (const ArgumentRule& rule : SeccompArgumentRules()) {
    if (rule.number != number) continue;
    for (const ArgumentTest& test : rule.tests) ruled |= 1u << test.argument;
  }
  return ruled;
}

}  // namespace glovebox
