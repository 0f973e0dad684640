#include "egress/rate_budget.h"

#include <gtest/gtest.h>

#include <cstdint>

namespace glovebox {
namespace {

constexpr int64_t kSecond = 1'000'000'000;
constexpr int64_t kStart = 1'000 * kSecond;

int Taken(RateBudget* budget, int64_t now_ns, int tries) {
  int taken = 0;
  for (int i = 0; i < tries; ++i) taken += budget->Take(now_ns) ? 1 : 0;
  return taken;
}

TEST(RateBudget, GivesTwiceItsRateAtOnceAndItsRateFromThenOn) {
  RateBudget budget(10);
  EXPECT_EQ(Taken(&budget, kStart, 100), 20);
  for (int i = 1; i <= 5; ++i) EXPECT_EQ(Taken(&budget, kStart + i * kSecond, 100), 10) << i;
  EXPECT_EQ(Taken(&budget, kStart + 5 * kSecond + kSecond / 10, 100), 1);
  EXPECT_EQ(Taken(&budget, kStart + 5 * kSecond + kSecond / 10, 100), 0);
}

TEST(RateBudget, AQuietTimeSavesUpTwoSecondsAndNoMore) {
  RateBudget budget(10);
  EXPECT_EQ(Taken(&budget, kStart, 100), 20);
  EXPECT_EQ(Taken(&budget, kStart + 3600 * kSecond, 100), 20);
}

TEST(RateBudget, PartsOfOneAreNotLost) {
  RateBudget budget(10);
  EXPECT_EQ(Taken(&budget, kStart, 100), 20);
  int taken = 0;
  for (int i = 1; i <= 1000; ++i) taken += budget.Take(kStart + i * kSecond / 1000) ? 1 : 0;
  EXPECT_EQ(taken, 10);
}

TEST(RateBudget, ANewRateHoldsFromTheNextOneOn) {
  RateBudget budget(1000);
  budget.SetRate(1);
  EXPECT_EQ(Taken(&budget, kStart, 100), 2) << "what was saved up at the old rate is gone";
  budget.SetRate(5);
  EXPECT_EQ(Taken(&budget, kStart, 100), 0);
  EXPECT_EQ(Taken(&budget, kStart + kSecond, 100), 5);
}

TEST(RateBudget, NoneASecondIsNone) {
  RateBudget budget(0);
  EXPECT_EQ(Taken(&budget, kStart, 100), 0);
  EXPECT_EQ(Taken(&budget, kStart + 100 * kSecond, 100), 0);
}

TEST(RateBudget, TheLargestRateAndAClockThatGoesBackBreakNothing) {
  RateBudget budget(UINT32_MAX);
  EXPECT_TRUE(budget.Take(kStart));
  EXPECT_TRUE(budget.Take(kStart + 3600 * kSecond));
  RateBudget back(1);
  EXPECT_EQ(Taken(&back, kStart, 100), 2);
  EXPECT_EQ(Taken(&back, 0, 100), 0);
}

}  // namespace
}  // namespace glovebox
