// glovebox seccomp: what becomes of a system call, and why. From the table that this program was
// built with; no daemon is asked.
#include <cerrno>
#include <cstring>
#include <memory>
#include <optional>

#include "absl/status/statusor.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "base/escape.h"
#include "policy/seccomp_answer.h"
#include "tools/glovebox/end_report.h"
#include "tools/glovebox/failure.h"
#include "tools/glovebox/invocation.h"
#include "tools/glovebox/json_shapes.h"
#include "tools/glovebox/print.h"
#include "tools/glovebox/table.h"

namespace glovebox {
namespace {

struct SeccompOptions {
  std::string tier = SeccompTierName(kDefaultSeccompTier);
  std::string call;
  std::vector<std::string> arguments;
  bool i386 = false;
};

absl::Status Wrong(absl::string_view what, absl::string_view text, absl::string_view right) {
  return absl::InvalidArgumentError(
      absl::StrCat(what, " \"", EscapeForPeople(text, 60), "\" ", right));
}

absl::StatusOr<SeccompTier> TierOf(const std::string& name) {
  if (std::optional<SeccompTier> tier = FindSeccompTier(name); tier.has_value()) return *tier;
  return Wrong("tier", name, "does not exist; there are strict, build, nested and i386");
}

absl::StatusOr<uint32_t> NumberOf(const SeccompOptions& options) {
  uint32_t number = 0;
  if (absl::SimpleAtoi(options.call, &number)) return number;
  if (options.i386) {
    for (const SeccompI386Row& row : SeccompI386Table()) {
      if (options.call == row.name) return row.number;
    }
  } else if (const SeccompRow* row = FindSeccompRow(options.call); row != nullptr) {
    return row->number;
  }
  return Wrong("system call", options.call, "has no row; give its number");
}

// Decimal, also negative, or 0x and hexadecimal digits.
absl::StatusOr<uint64_t> ValueOf(const std::string& text) {
  int64_t negative = 0;
  uint64_t value = 0;
  if (absl::SimpleAtoi(text, &value)) return value;
  if (absl::SimpleAtoi(text, &negative)) return static_cast<uint64_t>(negative);
  if (absl::SimpleHexAtoi(text, &value)) return value;
  return Wrong("argument", text, "is no number; write 3, -1 or 0x10000000");
}

absl::StatusOr<SeccompCall> CallOf(const SeccompOptions& options) {
  SeccompCall call;
  call.arch = options.i386 ? SeccompArch::kI386 : SeccompArch::kX86_64;
  absl::StatusOr<uint32_t> number = NumberOf(options);
  if (!number.ok()) return number.status();
  call.number = *number;
  if (options.arguments.size() > 6) return absl::InvalidArgumentError("a call has six arguments");
  for (size_t i = 0; i < options.arguments.size(); ++i) {
    absl::StatusOr<uint64_t> value = ValueOf(options.arguments[i]);
    if (!value.ok()) return value.status();
    call.arguments[i] = *value;
  }
  return call;
}

std::string AnswerText(const SeccompVerdict& verdict) {
  if (verdict.kills) return "kills the process (SIGSYS)";
  if (verdict.error == 0) return "allowed";
  return ::strerrorname_np(verdict.error);
}

Json VerdictJson(SeccompTier tier, const SeccompCall& call, const SeccompVerdict& verdict) {
  Json out;
  out["tier"] = SeccompTierName(tier);
  out["number"] = call.number;
  out["name"] = verdict.name == nullptr ? Json(nullptr) : Json(verdict.name);
  out["answer"] = verdict.kills ? "kill" : verdict.error == 0 ? "allow" : "errno";
  out["errno"] = verdict.error == 0 ? Json(nullptr) : Json(::strerrorname_np(verdict.error));
  out["by_argument_rule"] = verdict.rule != nullptr;
  out["reported"] = verdict.telling;
  out["why"] = verdict.why;
  out["remedy"] = verdict.remedy;
  return out;
}

// An allowed call with argument rules: what is refused of it.
std::string RulesText(SeccompTier tier, uint32_t number) {
  std::string text;
  for (const ArgumentRule& rule : SeccompArgumentRules()) {
    if (rule.number != number || !rule.applies(tier)) continue;
    absl::StrAppend(&text, "  some arguments get ", ::strerrorname_np(rule.error), ": ", rule.why,
                    "\n");
  }
  return text;
}

std::string ForPeople(SeccompTier tier, const SeccompCall& call, const SeccompVerdict& verdict) {
  const std::string name = verdict.name == nullptr ? "(unknown)" : verdict.name;
  std::string text = absl::StrCat(name, " (", call.number, ") in the tier ", SeccompTierName(tier),
                                  ": ", AnswerText(verdict), "\n  why: ", verdict.why, "\n");
  if (!verdict.remedy.empty()) absl::StrAppend(&text, "  remedy: ", verdict.remedy, "\n");
  if (verdict.error == 0 && !verdict.kills && call.arch == SeccompArch::kX86_64) {
    absl::StrAppend(&text, RulesText(tier, call.number));
  }
  return text;
}

std::vector<SeccompCall> AllCalls(bool i386) {
  std::vector<SeccompCall> calls;
  if (i386) {
    for (const SeccompI386Row& row : SeccompI386Table()) {
      calls.push_back({SeccompArch::kI386, row.number, {}});
    }
  } else {
    for (const SeccompRow& row : SeccompTable()) {
      calls.push_back({SeccompArch::kX86_64, row.number, {}});
    }
  }
  return calls;
}

// By the number alone: of a call with argument rules, that it is allowed.
SeccompVerdict JudgeNumber(SeccompTier tier, SeccompCall call) {
  SeccompVerdict verdict = JudgeSyscall(tier, call);
  if (verdict.rule == nullptr) return verdict;
  const SeccompRow* row = FindSeccompRow(verdict.rule->number);
  verdict.error = 0;
  verdict.rule = nullptr;
  verdict.telling = false;
  verdict.remedy.clear();
  if (row != nullptr) verdict.why = row->why;
  return verdict;
}

int List(SeccompTier tier, const SeccompOptions& options, bool json) {
  Json list = Json::array();
  std::vector<std::vector<std::string>> rows = {{"NUMBER", "CALL", "ANSWER", "WHY"}};
  for (const SeccompCall& call : AllCalls(options.i386)) {
    const SeccompVerdict verdict = JudgeNumber(tier, call);
    if (json) {
      list.push_back(VerdictJson(tier, call, verdict));
      continue;
    }
    const bool ruled = RuledArguments(call.number) != 0 && !options.i386 && verdict.error == 0;
    rows.push_back({absl::StrCat(call.number), verdict.name == nullptr ? "" : verdict.name,
                    absl::StrCat(AnswerText(verdict), ruled ? " *" : ""), verdict.why});
  }
  if (json) return Print(Pretty(list));
  return Print(absl::StrCat(FormatTable(rows, false),
                            "* some arguments are refused: glovebox seccomp CALL\n"));
}

int Seccomp(const Invocation& invocation, const SeccompOptions& options) {
  const absl::StatusOr<SeccompTier> tier = TierOf(options.tier);
  if (!tier.ok()) return Fail("seccomp", tier.status(), kExitUsage);
  if (options.call.empty()) return List(*tier, options, invocation.json);
  const absl::StatusOr<SeccompCall> call = CallOf(options);
  if (!call.ok()) return Fail("seccomp", call.status(), kExitUsage);
  const SeccompVerdict verdict =
      options.arguments.empty() ? JudgeNumber(*tier, *call) : JudgeSyscall(*tier, *call);
  return Print(invocation.json ? Pretty(VerdictJson(*tier, *call, verdict))
                               : ForPeople(*tier, *call, verdict));
}

}  // namespace

void AddSeccomp(Verb app, Invocation& invocation) {
  auto options = std::make_shared<SeccompOptions>();
  Verb verb = AddVerb(app, invocation, "seccomp",
                      "Say what happens to a system call, and why; without one, list them",
                      "  glovebox seccomp mount\n"
                      "  glovebox seccomp socket 2 3 1      # AF_INET, SOCK_RAW, IPPROTO_ICMP\n"
                      "  glovebox seccomp --tier strict ptrace --json | jq -r .remedy",
                      [&invocation, options] { return Seccomp(invocation, *options); });
  verb.AddOption("--tier", options->tier, "strict, build (default), nested or i386")
      .TypeName("TIER");
  verb.AddFlag("--i386", options->i386, "The call is a 32-bit one");
  verb.AddOption("call", options->call, "Name or number").TypeName("CALL");
  verb.AddOption("arguments", options->arguments, "Up to six registers; missing ones are 0")
      .TypeName("ARGUMENT");
}

}  // namespace glovebox
