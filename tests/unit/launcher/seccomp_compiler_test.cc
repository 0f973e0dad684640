// The compiled programs against the table, for every number and the arguments that matter.
#include "launcher/seccomp_compiler.h"

#include <linux/audit.h>

#include <algorithm>
#include <cerrno>
#include <set>
#include <string>
#include <tuple>
#include <vector>

#include "gtest/gtest.h"
#include "tests/support/bpf_evaluator.h"
#include "tests/support/seccomp_call.h"

namespace glovebox {
namespace {

class SeccompCompiler : public ::testing::TestWithParam<std::tuple<SeccompTier, RefusalForm>> {
 protected:
  SeccompTier tier() const { return std::get<0>(GetParam()); }
  RefusalForm form() const { return std::get<1>(GetParam()); }
  uint32_t Run(const std::vector<sock_filter>& program, const seccomp_data& data) const {
    const absl::StatusOr<BpfResult> result = EvaluateBpf(program, data);
    EXPECT_TRUE(result.ok()) << result.status();
    return result.ok() ? result->action : SECCOMP_RET_ALLOW;
  }
  uint32_t Answer(const seccomp_data& data) const {
    return StricterAction(Run(programs_.allow_list, data), Run(programs_.argument_rules, data));
  }

  SeccompVerdict Judge(const seccomp_data& data) const {
    return JudgeSyscall(tier(), CallOf(data));
  }

  // What init answers to a call that it is told of.
  uint32_t ExpectedOfInit(const SeccompVerdict& verdict) const {
    const size_t rule = verdict.rule == nullptr
                            ? 0
                            : static_cast<size_t>(verdict.rule - SeccompArgumentRules().data()) + 1;
    return static_cast<uint32_t>(rule) << kAnswerRuleShift | static_cast<uint32_t>(verdict.error);
  }

  void Check(const seccomp_data& data) const {
    const SeccompVerdict verdict = Judge(data);
    ASSERT_EQ(Answer(data), ActionFor(verdict, form()))
        << std::hex << data.arch << ": " << std::dec << data.nr << "(" << data.args[0] << ", "
        << data.args[1] << ", " << data.args[2] << ")";
    if (form() == RefusalForm::kTold && verdict.telling) {
      ASSERT_EQ(Run(programs_.answers, data), ExpectedOfInit(verdict)) << data.nr;
    }
  }

  const SeccompPrograms programs_ = CompileSeccomp(tier(), form());
};

seccomp_data Call(uint32_t number, uint32_t arch = AUDIT_ARCH_X86_64) {
  seccomp_data data{};
  data.nr = static_cast<int>(number);
  data.arch = arch;
  return data;
}

// Every value that a rule compares this argument with, its neighbours, the single bits and the
// ends.
std::vector<uint32_t> InterestingValues(uint32_t number, uint32_t argument) {
  std::set<uint32_t> values = {0, 0xffffffff, 0x7fffffff, 0x80000000};
  bool ruled = false;
  for (const ArgumentRule& rule : SeccompArgumentRules()) {
    if (rule.number != number) continue;
    for (const ArgumentTest& test : rule.tests) {
      if (test.argument != argument) continue;
      ruled = true;
      for (uint32_t value : {test.value - 1, test.value, test.value + 1, test.value | 0x80800}) {
        values.insert(value);
      }
    }
  }
  if (!ruled) return {0, 0xffffffff};
  for (uint32_t bit = 0; bit < 32; ++bit) values.insert(1u << bit);
  return {values.begin(), values.end()};
}

TEST_P(SeccompCompiler, AnswersEveryNumberOfEveryArchitectureAsTheTableDoes) {
  for (uint32_t arch : std::initializer_list<uint32_t>{AUDIT_ARCH_X86_64, AUDIT_ARCH_I386,
                                                       AUDIT_ARCH_AARCH64, AUDIT_ARCH_ARM}) {
    for (uint32_t number = 0; number <= 1024; ++number) {
      for (uint32_t bit : {0u, kX32Bit, 0x80000000u, 0xc0000000u, 1u << 16}) {
        ASSERT_NO_FATAL_FAILURE(Check(Call(number | bit, arch)));
      }
    }
    ASSERT_NO_FATAL_FAILURE(Check(Call(0xffffffff, arch)));
    ASSERT_NO_FATAL_FAILURE(Check(Call(0xfffffffe, arch)));
  }
}

TEST_P(SeccompCompiler, AnswersEveryInterestingArgumentAsTheTableDoes) {
  std::set<uint32_t> numbers;
  for (const ArgumentRule& rule : SeccompArgumentRules()) numbers.insert(rule.number);
  for (uint32_t number : numbers) {
    for (uint32_t first : InterestingValues(number, 0)) {
      for (uint32_t second : InterestingValues(number, 1)) {
        for (uint32_t third : InterestingValues(number, 2)) {
          seccomp_data data = Call(number);
          data.args[0] = first;
          data.args[1] = second;
          data.args[2] = third;
          ASSERT_NO_FATAL_FAILURE(Check(data));
        }
      }
    }
  }
}

TEST_P(SeccompCompiler, GarbageInTheUpperHalfOfAnArgumentGetsNobodyThrough) {
  constexpr uint64_t kGarbage = 0xdeadbeef00000000;
  for (const ArgumentRule& rule : SeccompArgumentRules()) {
    if (!rule.applies(tier())) continue;
    for (uint32_t argument = 0; argument < 3; ++argument) {
      for (uint32_t value : InterestingValues(rule.number, argument)) {
        seccomp_data plain = Call(rule.number);
        plain.args[argument] = value;
        seccomp_data dirty = plain;
        for (auto& word : dirty.args) word |= kGarbage;
        ASSERT_EQ(Answer(plain), Answer(dirty)) << rule.why << ": " << value;
      }
    }
  }
}

TEST_P(SeccompCompiler, RulesHoldFor32BitCallsToo) {
  for (const SeccompI386Row& row : SeccompI386Table()) {
    for (const ArgumentRule& rule : SeccompArgumentRules()) {
      if (row.like == nullptr || row.like->number != rule.number) continue;
      for (uint32_t argument = 0; argument < 3; ++argument) {
        for (uint32_t value : InterestingValues(rule.number, argument)) {
          seccomp_data data = Call(row.number, AUDIT_ARCH_I386);
          data.args[argument] = value;
          ASSERT_NO_FATAL_FAILURE(Check(data));
        }
      }
    }
  }
}

TEST_P(SeccompCompiler, EachFilterAloneKillsForeignArchitectures) {
  for (const auto* program : {&programs_.allow_list, &programs_.argument_rules}) {
    for (const seccomp_data& data : {Call(0, AUDIT_ARCH_AARCH64), Call(kX32Bit)}) {
      EXPECT_EQ(Run(*program, data), SECCOMP_RET_KILL_PROCESS);
    }
    if (tier() == SeccompTier::kI386) continue;
    EXPECT_EQ(Run(*program, Call(0, AUDIT_ARCH_I386)), SECCOMP_RET_KILL_PROCESS);
  }
}

// Filter A is all that init has: what it lets through besides the payloads' calls is named.
TEST_P(SeccompCompiler, TheAllowListAloneRefusesAllThatTheTableRefusesByNumberButWhatInitNeeds) {
  for (uint32_t number = 0; number <= 1024; ++number) {
    const SeccompRow* row = FindSeccompRow(number);
    const bool allowed = row != nullptr && row->action(tier()) == SeccompAction::kAllow;
    const bool inits = std::count(std::begin(kCallsOfInit), std::end(kCallsOfInit), number) > 0;
    EXPECT_EQ(Run(programs_.allow_list, Call(number)) == SECCOMP_RET_ALLOW, allowed || inits)
        << number;
  }
}

// Where a listener may speak, a filter that was added later could speak first.
TEST_P(SeccompCompiler, AskingForAListenerIsAnsweredInsideTheKernel) {
  for (uint32_t flags : {8u, 9u, 0x18u, 0xffffffffu}) {
    seccomp_data data = Call(317);
    data.args[0] = 1;
    data.args[1] = flags;
    EXPECT_EQ(Answer(data), SECCOMP_RET_ERRNO | static_cast<uint32_t>(EBUSY)) << flags;
  }
}

// A load costs with the length, a call that depends on arguments with the path.
TEST_P(SeccompCompiler, ProgramsStayShortAndTheirPathsToo) {
  const bool two = tier() == SeccompTier::kI386;  // tables in one program
  EXPECT_LT(programs_.allow_list.size(), two ? 700u : 300u);
  EXPECT_LT(programs_.argument_rules.size(), two ? 700u : 300u);
  int longest = 0;
  for (uint32_t number = 0; number < 512; ++number) {
    longest = std::max(longest, EvaluateBpf(programs_.allow_list, Call(number))->steps);
  }
  EXPECT_LT(longest, 16) << "a tree, not a list";
  RecordProperty("allow_list_instructions", static_cast<int>(programs_.allow_list.size()));
  RecordProperty("argument_rules_instructions", static_cast<int>(programs_.argument_rules.size()));
}

TEST(SeccompDigest, IsTheTiersOwnAndAlwaysTheSame) {
  std::set<std::string> digests;
  for (SeccompTier tier : kSeccompTiers) {
    EXPECT_EQ(SeccompDigest(tier), SeccompDigest(tier));
    EXPECT_EQ(SeccompDigest(tier).size(), 64u);
    digests.insert(SeccompDigest(tier));
  }
  EXPECT_EQ(digests.size(), std::size(kSeccompTiers));
}

INSTANTIATE_TEST_SUITE_P(Tiers, SeccompCompiler,
                         ::testing::Combine(::testing::ValuesIn(kSeccompTiers),
                                            ::testing::Values(RefusalForm::kErrno,
                                                              RefusalForm::kTold)),
                         [](const auto& variant) {
                           return std::string(SeccompTierName(std::get<0>(variant.param))) +
                                  (std::get<1>(variant.param) == RefusalForm::kTold ? "Told"
                                                                                    : "Errno");
                         });

}  // namespace
}  // namespace glovebox
