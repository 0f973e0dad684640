// Writes docs/seccomp.md from the system call table to standard output.
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <map>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "launcher/seccomp_compiler.h"
#include "policy/seccomp_answer.h"

namespace glovebox {
namespace {

constexpr char kHead[] =
    R"(# System calls

Generated from the table in `runtime/policy/seccomp_*.cc` by `tools/dev/gen_seccomp_document`; a lint test compares. Ask
for one call with `glovebox seccomp CALL [ARGUMENT...]`.

Two filters are stacked, and the kernel takes the stricter answer. Filter A, an allow list, is installed in
glovebox-init once and inherited by every command; filter B, with the argument rules, is added by each command. A number
without a row gets ENOSYS, so that programs fall back as on an older kernel. Arguments are compared on 32 bits, as the
kernel takes them. A foreign architecture (32-bit outside of the tier i386, x32) kills the process. What a pointer leads
to is never looked at. Refusals other than ENOSYS are answered by glovebox-init with the errno below and appear in the
`denials` of the command's end ([decision 0010](decisions/0010-explained-refusals.md)).

A tier is chosen with `--seccomp TIER` or `profile.seccomp_tier`; a node allows those in `seccomp.tiers` of its
configuration, `strict` and `build` by default.

)";

std::string ActionText(SeccompAction action) {
  switch (action) {
    case SeccompAction::kAllow:
      return "allow";
    case SeccompAction::kRefuse:
      return "EPERM";
    case SeccompAction::kAbsent:
      return "ENOSYS";
  }
  return "";
}

std::string TestText(const ArgumentTest& test) {
  const std::string argument = absl::StrCat("a", test.argument);
  const std::string value = absl::StrCat("0x", absl::Hex(test.value));
  switch (test.kind) {
    case ArgumentTest::Kind::kMaskedEqual:
      return absl::StrCat(argument, " & 0x", absl::Hex(test.mask), " = ", value);
    case ArgumentTest::Kind::kEqual:
      return absl::StrCat(argument, " = ", value);
    case ArgumentTest::Kind::kNotEqual:
      return absl::StrCat(argument, " ≠ ", value);
  }
  return "";
}

std::string TiersText(TierSet tiers) {
  if (tiers == kEveryTier) return "all";
  std::vector<std::string> names;
  for (SeccompTier tier : kSeccompTiers) {
    if ((tiers & OnlyIn(tier)) != 0) names.push_back(SeccompTierName(tier));
  }
  return absl::StrJoin(names, " ");
}

void AddTiers(std::string* out) {
  absl::StrAppend(out,
                  "## Tiers\n\n| tier | calls allowed | what it is | digest of its programs |\n",
                  "| --- | --- | --- | --- |\n");
  for (SeccompTier tier : kSeccompTiers) {
    int allowed = 0;
    for (const SeccompRow& row : SeccompTable()) {
      allowed += row.action(tier) == SeccompAction::kAllow;
    }
    absl::StrAppend(out, "| `", SeccompTierName(tier), "`",
                    tier == kDefaultSeccompTier ? " (default)" : "", " | ", allowed, " | ",
                    SeccompTierSummary(tier), " | `", SeccompDigest(tier), "` |\n");
  }
}

void AddRules(std::string* out) {
  absl::StrAppend(out, "\n## Argument rules\n\nOf a call, the first rule that holds decides.\n\n",
                  "| call | when | answer | tiers | why | instead |\n",
                  "| --- | --- | --- | --- | --- | --- |\n");
  for (const ArgumentRule& rule : SeccompArgumentRules()) {
    std::vector<std::string> tests;
    for (const ArgumentTest& test : rule.tests) tests.push_back(TestText(test));
    const SeccompRow* row = FindSeccompRow(rule.number);
    absl::StrAppend(out, "| `", row == nullptr ? "?" : row->name, "` | ",
                    absl::StrJoin(tests, ", "), " | ", ::strerrorname_np(rule.error), " | ",
                    TiersText(rule.tiers), " | ", rule.why, " | ", rule.remedy, " |\n");
  }
}

// Rows of the same answers and reason are one line.
void AddRows(std::string* out) {
  absl::StrAppend(out,
                  "\n## Calls by number\n\n| calls | strict | build, i386 | nested | why | "
                  "instead |\n| --- | --- | --- | --- | --- | --- |\n");
  std::vector<std::string> order;
  std::map<std::string, std::vector<std::string>> groups;
  for (const SeccompRow& row : SeccompTable()) {
    const std::string key = absl::StrCat(
        " | ", ActionText(row.strict), " | ", ActionText(row.build), " | ",
        ActionText(row.action(SeccompTier::kNested)), " | ", row.why, " | ", row.remedy, " |\n");
    if (groups.find(key) == groups.end()) order.push_back(key);
    groups[key].push_back(absl::StrCat("`", row.name, "`"));
  }
  for (const std::string& key : order) {
    absl::StrAppend(out, "| ", absl::StrJoin(groups[key], " "), key);
  }
}

void AddI386(std::string* out) {
  absl::StrAppend(out,
                  "\n## 32-bit calls (tier i386)\n\nEach has the policy of the native call of its "
                  "name, or of another:\n\n");
  std::vector<std::string> like;
  std::string own;
  for (const SeccompI386Row& row : SeccompI386Table()) {
    if (row.like == nullptr) {
      absl::StrAppend(&own, "| `", row.name, "` | ", ActionText(row.action), " | ", row.why,
                      " |\n");
    } else if (std::strcmp(row.name, row.like->name) != 0) {
      like.push_back(absl::StrCat("`", row.name, "` as `", row.like->name, "`"));
    }
  }
  absl::StrAppend(out, absl::StrJoin(like, ", "), ".\n\n| call | answer | why |\n",
                  "| --- | --- | --- |\n", own);
}

std::string Document() {
  std::string out = kHead;
  AddTiers(&out);
  AddRules(&out);
  AddRows(&out);
  AddI386(&out);
  return out;
}

}  // namespace
}  // namespace glovebox

int main() { return std::fputs(glovebox::Document().c_str(), stdout) < 0 ? 1 : 0; }
