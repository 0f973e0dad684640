// What becomes of a system call, and why: the meaning of the filters together. It is the reference
// that compiled programs are tested against, and what people and agents are told.
#ifndef GLOVEBOX_POLICY_SECCOMP_ANSWER_H_
#define GLOVEBOX_POLICY_SECCOMP_ANSWER_H_

#include <cstdint>
#include <optional>
#include <string>

#include "policy/seccomp_table.h"

namespace glovebox {

enum class SeccompArch : uint32_t { kX86_64, kI386, kX32, kOther };

struct SeccompCall {
  SeccompArch arch = SeccompArch::kX86_64;
  uint32_t number = 0;
  uint64_t arguments[6] = {};  // the registers
};

struct SeccompVerdict {
  bool kills = false;
  int error = 0;               // errno; 0 and not `kills`: allowed
  const char* name = nullptr;  // nullptr: a number that nobody knows
  const char* why = "";
  const ArgumentRule* rule = nullptr;  // the argument rule that decided, if one did
  // Worth telling the one who ran the command: refused, and not merely looking absent (ENOSYS),
  // which programs probe for and fall back from.
  bool telling = false;
  std::string remedy;  // of a refused call, for people; "": nothing to be done
};

SeccompVerdict JudgeSyscall(SeccompTier tier, const SeccompCall& call);

// Of a call that was refused with `error` under a tier that is not known: the reason, with the
// remedy. Nothing when no tier refuses it so.
std::optional<SeccompVerdict> ExplainRefusal(const SeccompCall& call, int error);

// The arguments that rules of this native call look at: bit n for argument n.
uint32_t RuledArguments(uint32_t number);

}  // namespace glovebox

#endif  // GLOVEBOX_POLICY_SECCOMP_ANSWER_H_
