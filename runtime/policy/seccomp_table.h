// The system call policy of payloads as data. The compiled filters, docs/seccomp.md, `glovebox
// seccomp`, the explanation of a refusal and the tests all come from here.
//
// Two filters are stacked; the kernel takes the stricter answer. Filter A is an allow list: every
// number without an allowing row is refused, a number without any row with ENOSYS, so that programs
// fall back as on an older kernel. Filter B has the argument rules; arguments are compared on 32
// bits, because the kernel takes these arguments as 32 bits and a filter that looks at 64 is got
// round by setting the upper half (CVE-2019-10063). A foreign architecture kills the process.
#ifndef GLOVEBOX_POLICY_SECCOMP_TABLE_H_
#define GLOVEBOX_POLICY_SECCOMP_TABLE_H_

#include <cstdint>
#include <optional>
#include <vector>

#include "absl/strings/string_view.h"

namespace glovebox {

enum class SeccompTier : uint32_t {
  kStrict = 0,  // tool commands: no debugger
  kBuild = 1,   // default: also ptrace and its kin, which reach only the sandbox's own processes
  kNested = 2,  // build, and namespaces and mounts for container tools inside. Weaker
  kI386 = 3,    // build, and 32-bit programs. Weaker: a second entry into the kernel
};
inline constexpr SeccompTier kDefaultSeccompTier = SeccompTier::kBuild;
inline constexpr SeccompTier kSeccompTiers[] = {SeccompTier::kStrict, SeccompTier::kBuild,
                                                SeccompTier::kNested, SeccompTier::kI386};
// "strict" and so on.
const char* SeccompTierName(SeccompTier tier);
std::optional<SeccompTier> FindSeccompTier(absl::string_view name);
// What it is for and what it gives up, a sentence for people.
const char* SeccompTierSummary(SeccompTier tier);
// Below the default; a node has to allow it, and says so.
constexpr bool IsWeakerTier(SeccompTier tier) {
  return tier == SeccompTier::kNested || tier == SeccompTier::kI386;
}
// Payloads may make user namespaces and mounts in them: the sysctls that forbid it and Landlock,
// which refuses mounts to its subjects, are not in force.
constexpr bool TierMakesNamespaces(SeccompTier tier) { return tier == SeccompTier::kNested; }

enum class SeccompAction : uint32_t {
  kAllow,
  kRefuse,  // EPERM: it exists and is not for payloads
  kAbsent,  // ENOSYS: it looks as if this kernel did not have it
};

// Whether the tier nested allows what build refuses.
enum class InNested : bool { kAsBuild, kAllowed };

// x86-64 numbers are written out: libraries lack the names of newer calls.
struct SeccompRow {
  uint32_t number;
  const char* name;
  SeccompAction strict;
  SeccompAction build;
  const char* why;
  InNested nested = InNested::kAsBuild;
  const char* remedy = "";  // of a refused call: what to do instead; "": nothing special to say

  SeccompAction action(SeccompTier tier) const;
};

// The greatest number that was looked at when the table was written. A test fails when the running
// kernel or its headers know a greater one.
inline constexpr uint32_t kSeccompNumberMax = 470;

// Calls that glovebox-init needs under filter A and payloads do not have: filter B refuses them.
inline constexpr uint32_t kCallsOfInit[] = {435};  // clone3: birth in the command's cgroup

// Every known call in ascending order of its number.
const std::vector<SeccompRow>& SeccompTable();
const SeccompRow* FindSeccompRow(uint32_t number);  // nullptr: unknown
const SeccompRow* FindSeccompRow(absl::string_view name);

// The 32-bit calls of the tier i386: its number, and either the row whose policy it has, or an
// answer of its own.
struct SeccompI386Row {
  uint32_t number;
  const char* name;
  const SeccompRow* like;  // nullptr: `action` and `why` are its own
  SeccompAction action;
  const char* why;

  SeccompAction action_in_tier() const;
};
// In ascending order of the number.
const std::vector<SeccompI386Row>& SeccompI386Table();
const SeccompI386Row* FindSeccompI386Row(uint32_t number);

// One comparison of an argument's lower 32 bits.
struct ArgumentTest {
  enum class Kind : uint32_t { kMaskedEqual, kEqual, kNotEqual };
  uint32_t argument;  // 0..5
  Kind kind;
  uint32_t mask;  // kMaskedEqual: (argument & mask) == value; unused otherwise
  uint32_t value;
};

// Sets of tiers.
using TierSet = uint32_t;
constexpr TierSet OnlyIn(SeccompTier tier) { return 1u << static_cast<uint32_t>(tier); }
inline constexpr TierSet kEveryTier = 0xf;
inline constexpr TierSet kNotNested = kEveryTier & ~OnlyIn(SeccompTier::kNested);
inline constexpr TierSet kNotStrict = kEveryTier & ~OnlyIn(SeccompTier::kStrict);

// A call for which all tests hold is refused with `error`; the first rule of a call that holds
// decides. It holds for 32-bit calls of the same name too: the positions are the same.
struct ArgumentRule {
  uint32_t number;
  std::vector<ArgumentTest> tests;
  int error;  // errno
  TierSet tiers;
  const char* why;
  const char* remedy = "";
  // False: answered inside the kernel at all times, never by way of a listener.
  bool may_be_told = true;

  bool applies(SeccompTier tier) const { return (tiers & OnlyIn(tier)) != 0; }
};
const std::vector<ArgumentRule>& SeccompArgumentRules();

}  // namespace glovebox

#endif  // GLOVEBOX_POLICY_SECCOMP_TABLE_H_
