#include "tests/support/bpf_evaluator.h"

#include <cstring>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"

namespace glovebox {
namespace {

absl::Status Invalid(size_t at, absl::string_view why) {
  return absl::InvalidArgumentError(absl::StrCat("instruction ", at, ": ", why));
}

bool Load(const seccomp_data& data, uint32_t offset, uint32_t* value) {
  if (offset % sizeof(uint32_t) != 0 || offset > sizeof(data) - sizeof(uint32_t)) return false;
  std::memcpy(value, reinterpret_cast<const char*>(&data) + offset, sizeof(*value));
  return true;
}

bool Alu(uint16_t code, uint32_t operand, uint32_t* accumulator) {
  switch (BPF_OP(code)) {
    case BPF_AND:
      *accumulator &= operand;
      return true;
    case BPF_OR:
      *accumulator |= operand;
      return true;
    case BPF_LSH:
      *accumulator = operand < 32 ? *accumulator << operand : 0;
      return true;
    case BPF_RSH:
      *accumulator = operand < 32 ? *accumulator >> operand : 0;
      return true;
    default:
      return false;
  }
}

// False for an operation that does not exist.
bool Compare(uint16_t code, uint32_t operand, uint32_t accumulator, bool* holds) {
  switch (BPF_OP(code)) {
    case BPF_JEQ:
      *holds = accumulator == operand;
      return true;
    case BPF_JGT:
      *holds = accumulator > operand;
      return true;
    case BPF_JGE:
      *holds = accumulator >= operand;
      return true;
    case BPF_JSET:
      *holds = (accumulator & operand) != 0;
      return true;
    default:
      return false;
  }
}

}  // namespace

absl::StatusOr<BpfResult> EvaluateBpf(const std::vector<sock_filter>& program,
                                      const seccomp_data& data) {
  uint32_t accumulator = 0;
  BpfResult result;
  // Jumps go forward only, so every instruction is executed at most once.
  for (size_t at = 0; at < program.size(); ++at) {
    const sock_filter& step = program[at];
    ++result.steps;
    switch (BPF_CLASS(step.code)) {
      case BPF_LD:
        if (step.code != (BPF_LD | BPF_W | BPF_ABS)) return Invalid(at, "load mode");
        if (!Load(data, step.k, &accumulator)) return Invalid(at, "load offset");
        break;
      case BPF_ALU:
        if (BPF_SRC(step.code) != BPF_K || !Alu(step.code, step.k, &accumulator)) {
          return Invalid(at, "arithmetic");
        }
        break;
      case BPF_JMP: {
        if (BPF_OP(step.code) == BPF_JA) {
          at += step.k;
          break;
        }
        bool holds = false;
        if (BPF_SRC(step.code) != BPF_K || !Compare(step.code, step.k, accumulator, &holds)) {
          return Invalid(at, "comparison");
        }
        at += holds ? step.jt : step.jf;
        break;
      }
      case BPF_RET:
        if (step.code != (BPF_RET | BPF_K)) return Invalid(at, "return mode");
        result.action = step.k;
        return result;
      default:
        return Invalid(at, "class");
    }
  }
  return absl::InvalidArgumentError("the program has an end without a return");
}

uint32_t StricterAction(uint32_t a, uint32_t b) {
  // As the kernel compares them: signed, so that KILL_PROCESS (0x80000000) is the strictest.
  const auto strictness = [](uint32_t action) {
    return static_cast<int32_t>(action & SECCOMP_RET_ACTION_FULL);
  };
  return strictness(b) < strictness(a) ? b : a;
}

}  // namespace glovebox
