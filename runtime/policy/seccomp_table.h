// The system call policy of payloads as data. The compiled filters, the documents and the tests all
// come from here.
//
// Two filters are stacked; the kernel takes the stricter answer. Filter A is an allow list: every
// number without an allowing row is answered by the row's errno, and by ENOSYS when there is no
// row, so that programs fall back as on an older kernel. Filter B allows everything but what the
// argument rules name; arguments are compared on 32 bits, because the kernel takes these arguments
// as 32 bits and a filter that looks at 64 is got round by setting the upper half (CVE-2019-10063).
// A foreign architecture (i386, x32) kills the process.
#ifndef GLOVEBOX_POLICY_SECCOMP_TABLE_H_
#define GLOVEBOX_POLICY_SECCOMP_TABLE_H_

#include <cstdint>
#include <vector>

namespace glovebox {

enum class SeccompTier : uint32_t {
  kStrict = 0,  // tool commands: no debugger
  kBuild = 1,   // default: also ptrace and its kin, which reach only the sandbox's own processes
};
inline constexpr SeccompTier kDefaultSeccompTier = SeccompTier::kBuild;
const char* SeccompTierName(SeccompTier tier);

enum class SeccompAction : uint32_t {
  kAllow,
  kRefuse,  // EPERM: it exists and is not for payloads
  kAbsent,  // ENOSYS: it looks as if this kernel did not have it
};

// x86-64 numbers are written out: libseccomp 2.5.4 lacks the names of the newer calls.
struct SeccompRow {
  uint32_t number;
  const char* name;
  SeccompAction strict;
  SeccompAction build;
  const char* why;

  SeccompAction action(SeccompTier tier) const {
    return tier == SeccompTier::kStrict ? strict : build;
  }
};

// The greatest number that was looked at when the table was written. A test fails when the running
// kernel's headers know a greater one.
inline constexpr uint32_t kSeccompNumberMax = 470;

// Every known call in ascending order of its number.
const std::vector<SeccompRow>& SeccompTable();

// One comparison of an argument's lower 32 bits.
struct ArgumentTest {
  enum class Kind : uint32_t { kMaskedEqual, kEqual, kNotEqual };
  uint32_t argument;  // 0..5
  Kind kind;
  uint32_t mask;  // kMaskedEqual: (argument & mask) == value; unused otherwise
  uint32_t value;
};

// A call for which all tests hold is refused with `error`; the first rule of a call that holds
// decides.
struct ArgumentRule {
  uint32_t number;
  std::vector<ArgumentTest> tests;
  int error;  // errno
  bool strict;
  bool build;
  const char* why;

  bool applies(SeccompTier tier) const { return tier == SeccompTier::kStrict ? strict : build; }
};
const std::vector<ArgumentRule>& SeccompArgumentRules();

// What the two filters together answer: 0 for allowed, else the errno. The reference that compiled
// programs are tested against. `arguments` are the six registers.
int SeccompAnswer(SeccompTier tier, uint32_t number, const uint64_t (&arguments)[6]);

}  // namespace glovebox

#endif  // GLOVEBOX_POLICY_SECCOMP_TABLE_H_
