#include "egress/refusal_shares.h"

#include <gtest/gtest.h>

namespace glovebox {
namespace {

constexpr int64_t kSecond = 1'000'000'000;
constexpr int kAtOnce = 2 * static_cast<int>(RefusalShares::kPerSecond);

int TakeAll(RefusalShares* shares, uint64_t owner, int64_t now_ns) {
  int taken = 0;
  while (shares->Take(owner, now_ns)) ++taken;
  return taken;
}

TEST(RefusalSharesTest, EachCommandHasItsOwnAndIsToldWhatItLost) {
  RefusalShares shares;
  EXPECT_EQ(TakeAll(&shares, 7, kSecond), kAtOnce);
  EXPECT_FALSE(shares.Take(7, kSecond));
  EXPECT_TRUE(shares.Take(8, kSecond));
  EXPECT_TRUE(shares.Take(0, kSecond));
  EXPECT_EQ(shares.TakeUntold(8), 0u);
  EXPECT_EQ(shares.TakeUntold(0), 0u);
  EXPECT_EQ(shares.TakeUntold(7), 2u);
  EXPECT_EQ(shares.TakeUntold(7), 0u);
}

TEST(RefusalSharesTest, BeyondSoManyTheyShareOneUntilAnotherIsIdle) {
  RefusalShares shares;
  for (uint64_t owner = 1; owner <= RefusalShares::kOwnMax; ++owner) {
    EXPECT_TRUE(shares.Take(owner, kSecond));
  }
  int taken = 0;
  for (uint64_t owner = 100; owner < 1100; ++owner) taken += shares.Take(owner, kSecond) ? 1 : 0;
  EXPECT_EQ(taken, kAtOnce);
  EXPECT_FALSE(shares.Take(0, kSecond));
  EXPECT_EQ(TakeAll(&shares, 1100, 4 * kSecond), kAtOnce) << "in place of one that is idle";
}

}  // namespace
}  // namespace glovebox
