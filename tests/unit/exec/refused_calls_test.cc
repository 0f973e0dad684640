#include "exec/refused_calls.h"

#include <linux/audit.h>

#include <cerrno>

#include "gtest/gtest.h"

namespace glovebox {
namespace {

constexpr uint32_t kMount = 165, kSocket = 41, kRead = 0;

ExecEnd EndWith(std::initializer_list<ExecDenial> denials) {
  ExecEnd end{};
  for (const ExecDenial& denial : denials) end.denials[end.denial_count++] = denial;
  return end;
}

std::vector<RefusedCallFacts> Facts(const ExecEnd& end) {
  ExecResult result;
  SetRefusedCalls(end, &result);
  return result.refused_calls;
}

TEST(RefusedCalls, AreTakenOverInTheirOrder) {
  const auto facts = Facts(EndWith({{kMount, AUDIT_ARCH_X86_64, EPERM, 3, {}},
                                    {kSocket, AUDIT_ARCH_X86_64, 5u << 16 | EPERM, 1, {2, 3, 1}}}));
  ASSERT_EQ(facts.size(), 2u);
  EXPECT_EQ(facts[0].number, kMount);
  EXPECT_EQ(facts[0].error, EPERM);
  EXPECT_EQ(facts[0].count, 3u);
  EXPECT_EQ(facts[1].number, kSocket);
  EXPECT_EQ(facts[1].arguments[1], 3u);
}

TEST(RefusedCalls, WhatNoPolicyRefusesIsNotBelieved) {
  EXPECT_TRUE(Facts(EndWith({{kRead, AUDIT_ARCH_X86_64, EPERM, 1, {}}})).empty()) << "allowed";
  EXPECT_TRUE(Facts(EndWith({{kMount, AUDIT_ARCH_X86_64, EIO, 1, {}}})).empty()) << "other errno";
  EXPECT_TRUE(Facts(EndWith({{9999, AUDIT_ARCH_X86_64, EPERM, 1, {}}})).empty()) << "unknown";
  EXPECT_TRUE(Facts(EndWith({{kSocket, AUDIT_ARCH_X86_64, EPERM, 1, {1, 1, 0}}})).empty())
      << "no rule holds for these arguments";
}

TEST(RefusedCalls, ACountBeyondTheRoomIsNotRead) {
  ExecEnd end = EndWith({{kMount, AUDIT_ARCH_X86_64, EPERM, 1, {}}});
  end.denial_count = 0xffffffff;
  EXPECT_EQ(Facts(end).size(), 1u) << "the other places are zero: read is allowed";
}

}  // namespace
}  // namespace glovebox
