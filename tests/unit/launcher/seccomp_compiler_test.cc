// The compiled programs against the table, for every number and the arguments that matter.
#include "launcher/seccomp_compiler.h"

#include <linux/audit.h>

#include <set>
#include <vector>

#include "gtest/gtest.h"
#include "tests/support/bpf_evaluator.h"

namespace glovebox {
namespace {

constexpr uint32_t kX32Bit = 0x40000000;

class SeccompCompiler : public ::testing::TestWithParam<SeccompTier> {
 protected:
  void SetUp() override {
    absl::StatusOr<SeccompPrograms> programs = CompileSeccomp(GetParam());
    ASSERT_TRUE(programs.ok()) << programs.status();
    programs_ = *std::move(programs);
  }

  uint32_t Answer(const seccomp_data& data) const {
    const absl::StatusOr<BpfResult> a = EvaluateBpf(programs_.allow_list, data);
    const absl::StatusOr<BpfResult> b = EvaluateBpf(programs_.argument_rules, data);
    EXPECT_TRUE(a.ok() && b.ok()) << a.status() << b.status();
    if (!a.ok() || !b.ok()) return SECCOMP_RET_KILL_PROCESS;
    return StricterAction(a->action, b->action);
  }

  uint32_t Expected(const seccomp_data& data) const {
    uint64_t arguments[6];
    for (int i = 0; i < 6; ++i) arguments[i] = data.args[i];
    const int error = SeccompAnswer(GetParam(), static_cast<uint32_t>(data.nr), arguments);
    return error == 0 ? SECCOMP_RET_ALLOW : SECCOMP_RET_ERRNO | static_cast<uint32_t>(error);
  }

  SeccompPrograms programs_;
};

seccomp_data Call(uint32_t number, uint32_t arch = AUDIT_ARCH_X86_64) {
  seccomp_data data{};
  data.nr = static_cast<int>(number);
  data.arch = arch;
  return data;
}

// Every value that a rule compares with, its neighbours, and the single bits.
std::vector<uint32_t> InterestingValues(uint32_t number) {
  std::set<uint32_t> values = {0, 0xffffffff, 0x7fffffff, 0x80000000};
  for (uint32_t bit = 0; bit < 32; ++bit) values.insert(1u << bit);
  for (const ArgumentRule& rule : SeccompArgumentRules()) {
    if (rule.number != number) continue;
    for (const ArgumentTest& test : rule.tests) {
      for (uint32_t value : {test.value - 1, test.value, test.value + 1, test.value | 0x80800}) {
        values.insert(value);
      }
    }
  }
  return {values.begin(), values.end()};
}

TEST_P(SeccompCompiler, AnswersEveryNumberAsTheTableDoes) {
  for (uint32_t number = 0; number < 1024; ++number) {
    const seccomp_data data = Call(number);
    ASSERT_EQ(Answer(data), Expected(data)) << "number " << number;
  }
}

TEST_P(SeccompCompiler, AnswersEveryInterestingArgumentAsTheTableDoes) {
  std::set<uint32_t> numbers;
  for (const ArgumentRule& rule : SeccompArgumentRules()) numbers.insert(rule.number);
  for (uint32_t number : numbers) {
    const std::vector<uint32_t> values = InterestingValues(number);
    for (uint32_t first : values) {
      for (uint32_t second : values) {
        for (uint32_t third : {0u, 1u, 3u, 6u, 9u, 17u, 58u, 132u, 255u, 262u, 020644u, 060644u}) {
          seccomp_data data = Call(number);
          data.args[0] = first;
          data.args[1] = second;
          data.args[2] = third;
          ASSERT_EQ(Answer(data), Expected(data))
              << number << "(" << first << ", " << second << ", " << third << ")";
        }
      }
    }
  }
}

TEST_P(SeccompCompiler, GarbageInTheUpperHalfOfAnArgumentGetsNobodyThrough) {
  constexpr uint64_t kGarbage = 0xdeadbeef00000000;
  for (const ArgumentRule& rule : SeccompArgumentRules()) {
    if (!rule.applies(GetParam())) continue;
    for (uint32_t value : InterestingValues(rule.number)) {
      for (uint32_t argument = 0; argument < 3; ++argument) {
        seccomp_data plain = Call(rule.number);
        plain.args[argument] = value;
        seccomp_data dirty = plain;
        for (auto& word : dirty.args) word |= kGarbage;
        ASSERT_EQ(Answer(plain), Answer(dirty)) << rule.why << ": " << value;
      }
    }
  }
}

TEST_P(SeccompCompiler, ForeignArchitecturesKillWhateverTheNumber) {
  for (uint32_t number = 0; number < 1024; ++number) {
    EXPECT_EQ(Answer(Call(number, AUDIT_ARCH_I386)), SECCOMP_RET_KILL_PROCESS) << number;
    EXPECT_EQ(Answer(Call(number, AUDIT_ARCH_AARCH64)), SECCOMP_RET_KILL_PROCESS) << number;
    EXPECT_EQ(Answer(Call(number | kX32Bit)), SECCOMP_RET_KILL_PROCESS) << number;
  }
}

TEST_P(SeccompCompiler, EachFilterAloneKillsForeignArchitectures) {
  for (const auto* program : {&programs_.allow_list, &programs_.argument_rules}) {
    for (const seccomp_data& data : {Call(0, AUDIT_ARCH_I386), Call(kX32Bit)}) {
      EXPECT_EQ(EvaluateBpf(*program, data)->action, SECCOMP_RET_KILL_PROCESS);
    }
  }
}

// The load costs a command 0.1 ms per 200 instructions or so.
TEST_P(SeccompCompiler, ProgramsStayShortAndTheirPathsToo) {
  EXPECT_LT(programs_.allow_list.size(), 800u);
  EXPECT_LT(programs_.argument_rules.size(), 160u);
  int longest = 0;
  for (uint32_t number = 0; number < 512; ++number) {
    longest = std::max(longest, EvaluateBpf(programs_.allow_list, Call(number))->steps);
  }
  EXPECT_LT(longest, 32) << "a tree, not a list";
  RecordProperty("allow_list_instructions", static_cast<int>(programs_.allow_list.size()));
  RecordProperty("argument_rules_instructions", static_cast<int>(programs_.argument_rules.size()));
}

INSTANTIATE_TEST_SUITE_P(Tiers, SeccompCompiler,
                         ::testing::Values(SeccompTier::kStrict, SeccompTier::kBuild),
                         [](const auto& tier) { return SeccompTierName(tier.param); });

}  // namespace
}  // namespace glovebox
