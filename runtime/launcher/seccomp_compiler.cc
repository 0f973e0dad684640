// No libseccomp: 2.5 lacks the names of newer calls, takes one comparison of an argument per rule
// and compares 64 bits with all operators but one; and its tree has a leaf per number, where ranges
// make a program of a third of the size, which is loaded for every command.
#include "launcher/seccomp_compiler.h"

#include <linux/audit.h>
#include <linux/seccomp.h>
#include <openssl/sha.h>

#include <algorithm>
#include <cstddef>
#include <iterator>
#include <map>
#include <optional>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "launcher/bpf_tree.h"

namespace glovebox {
namespace {

constexpr uint32_t kX32Bit = 0x40000000;
constexpr uint32_t kNoNumber = 0xffffffff;  // a tracer's "skip this call"

enum class Part { kAllowList, kArgumentRules, kAnswers };

// Lower half of an argument; x86-64 is little-endian.
size_t ArgumentOffset(uint32_t argument) {
  return offsetof(seccomp_data, args) + argument * sizeof(uint64_t);
}

class PartCompiler {
 public:
  PartCompiler(SeccompTier tier, RefusalForm form, Part part)
      : tier_(tier), form_(form), part_(part) {}

  std::vector<sock_filter> Compile() const {
    const BpfBlock kill = {BpfReturn(SECCOMP_RET_KILL_PROCESS)};
    BpfBlock foreign = kill;
    if (tier_ == SeccompTier::kI386) {
      BpfBlock i386 = {BpfLoad(offsetof(seccomp_data, nr))};
      Append(&i386, BpfTree(I386Ranges()));
      foreign = BpfIfEqual(AUDIT_ARCH_I386, i386, kill);
    }
    BpfBlock native = {BpfLoad(offsetof(seccomp_data, nr))};
    Append(&native, BpfTree(NativeRanges(kill)));
    BpfBlock program = {BpfLoad(offsetof(seccomp_data, arch))};
    Append(&program, BpfIfEqual(AUDIT_ARCH_X86_64, native, foreign));
    return program;
  }

 private:
  bool told() const { return form_ == RefusalForm::kTold; }

  uint32_t Errno(int error) const {
    // kAnswers is no program for the kernel, so the errno is alone there.
    const auto value = static_cast<uint32_t>(error);
    return part_ == Part::kAnswers ? value : SECCOMP_RET_ERRNO | value;
  }
  uint32_t Pass() const { return part_ == Part::kAnswers ? 0 : SECCOMP_RET_ALLOW; }

  // What the number alone decides.
  uint32_t Leaf(SeccompAction action, bool inits_own) const {
    if (action == SeccompAction::kAllow) return Pass();
    const bool tells = told() && action == SeccompAction::kRefuse;
    const int error = action == SeccompAction::kRefuse ? EPERM : ENOSYS;
    switch (part_) {
      case Part::kAllowList:
        if (inits_own) return SECCOMP_RET_ALLOW;
        return tells ? SECCOMP_RET_USER_NOTIF : Errno(error);
      case Part::kArgumentRules:
        if (inits_own) return Errno(error);
        return tells ? SECCOMP_RET_USER_NOTIF : SECCOMP_RET_ALLOW;
      case Part::kAnswers:
        break;
    }
    return Errno(error);
  }

  uint32_t RuleAnswer(size_t index, const ArgumentRule& rule) const {
    if (part_ == Part::kAnswers) {
      return static_cast<uint32_t>(index + 1) << kAnswerRuleShift | Errno(rule.error);
    }
    if (told() && rule.may_be_told) return SECCOMP_RET_USER_NOTIF;
    return Errno(rule.error);
  }

  // Each test that does not hold jumps to the end of the block.
  BpfBlock RuleBlock(size_t index, const ArgumentRule& rule) const {
    BpfBlock block;
    std::vector<size_t> jumps;
    std::optional<uint32_t> loaded;  // the argument that the accumulator holds
    for (const ArgumentTest& test : rule.tests) {
      if (loaded != test.argument) block.push_back(BpfLoad(ArgumentOffset(test.argument)));
      loaded = test.argument;
      if (test.kind == ArgumentTest::Kind::kMaskedEqual) {
        block.push_back(BPF_STMT(BPF_ALU | BPF_AND | BPF_K, test.mask));
        loaded.reset();
      }
      jumps.push_back(block.size());
      block.push_back(BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, test.value, 0, 0));
    }
    block.push_back(BpfReturn(RuleAnswer(index, rule)));
    for (size_t i = 0; i < jumps.size(); ++i) {
      // Six tests of three instructions each at most, so the distance fits.
      const auto distance = static_cast<uint8_t>(block.size() - jumps[i] - 1);
      const bool negated = rule.tests[i].kind == ArgumentTest::Kind::kNotEqual;
      (negated ? block[jumps[i]].jt : block[jumps[i]].jf) = distance;
    }
    return block;
  }

  BpfBlock CallBlock(uint32_t native_number, SeccompAction action) const {
    const bool inits_own = std::find(std::begin(kCallsOfInit), std::end(kCallsOfInit),
                                     native_number) != std::end(kCallsOfInit);
    const uint32_t leaf = Leaf(action, inits_own);
    BpfBlock block;
    if (action == SeccompAction::kAllow && part_ != Part::kAllowList) {
      const std::vector<ArgumentRule>& rules = SeccompArgumentRules();
      for (size_t i = 0; i < rules.size(); ++i) {
        if (rules[i].number != native_number || !rules[i].applies(tier_)) continue;
        Append(&block, RuleBlock(i, rules[i]));
      }
    }
    block.push_back(BpfReturn(leaf));
    return block;
  }

  BpfBlock UnknownBlock() const {
    return {BpfReturn(part_ == Part::kArgumentRules ? Pass() : Errno(ENOSYS))};
  }

  std::vector<BpfRange> Ranges(const std::map<uint32_t, BpfBlock>& calls) const {
    std::vector<BpfRange> ranges;
    uint32_t next = 0;
    for (const auto& [number, block] : calls) {
      if (number != next) ranges.push_back({next, UnknownBlock()});
      ranges.push_back({number, block});
      next = number + 1;
    }
    ranges.push_back({next, UnknownBlock()});
    return ranges;
  }

  std::vector<BpfRange> NativeRanges(const BpfBlock& kill) const {
    std::map<uint32_t, BpfBlock> calls;
    for (const SeccompRow& row : SeccompTable()) {
      calls[row.number] = CallBlock(row.number, row.action(tier_));
    }
    std::vector<BpfRange> ranges = Ranges(calls);
    ranges.push_back({kX32Bit, kill});
    ranges.push_back({kNoNumber, UnknownBlock()});
    return ranges;
  }

  std::vector<BpfRange> I386Ranges() const {
    std::map<uint32_t, BpfBlock> calls;
    for (const SeccompI386Row& row : SeccompI386Table()) {
      // Init makes no 32-bit calls: what it needs besides is not for them.
      const SeccompAction action = row.action_in_tier();
      const bool native_rules = row.like != nullptr && action == SeccompAction::kAllow;
      calls[row.number] = CallBlock(native_rules ? row.like->number : kNoNumber, action);
    }
    return Ranges(calls);
  }

  const SeccompTier tier_;
  const RefusalForm form_;
  const Part part_;
};

std::string BytesOf(const std::vector<sock_filter>& program) {
  return std::string(reinterpret_cast<const char*>(program.data()),
                     program.size() * sizeof(sock_filter));
}

}  // namespace

SeccompPrograms CompileSeccomp(SeccompTier tier, RefusalForm form) {
  SeccompPrograms programs;
  programs.tier = tier;
  programs.allow_list = PartCompiler(tier, form, Part::kAllowList).Compile();
  programs.argument_rules = PartCompiler(tier, form, Part::kArgumentRules).Compile();
  if (form == RefusalForm::kTold) {
    programs.answers = PartCompiler(tier, form, Part::kAnswers).Compile();
  }
  return programs;
}

std::string SeccompDigest(SeccompTier tier) {
  std::string bytes;
  for (RefusalForm form : {RefusalForm::kErrno, RefusalForm::kTold}) {
    const SeccompPrograms programs = CompileSeccomp(tier, form);
    for (const auto* program :
         {&programs.allow_list, &programs.argument_rules, &programs.answers}) {
      absl::StrAppend(&bytes, program->size(), " ", BytesOf(*program));
    }
  }
  unsigned char digest[SHA256_DIGEST_LENGTH];
  SHA256(reinterpret_cast<const unsigned char*>(bytes.data()), bytes.size(), digest);
  return absl::BytesToHexString(
      absl::string_view(reinterpret_cast<const char*>(digest), sizeof(digest)));
}

}  // namespace glovebox
