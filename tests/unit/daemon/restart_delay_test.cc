#include "daemon/restart_delay.h"

#include <gtest/gtest.h>

namespace glovebox {
namespace {

constexpr absl::Time kStart = absl::UnixEpoch();

TEST(RestartDelay, GrowsToItsLimitWhileNothingStarts) {
  RestartDelay delay;
  for (absl::Duration wanted = RestartDelay::kFirst; wanted < RestartDelay::kLongest; wanted *= 2) {
    EXPECT_EQ(delay.Next(kStart), wanted);
  }
  EXPECT_EQ(delay.Next(kStart), RestartDelay::kLongest);
  EXPECT_EQ(delay.Next(kStart + absl::Hours(1)), RestartDelay::kLongest) << "nothing has lived";
}

TEST(RestartDelay, GrowsForWhatStartsAndEndsSoon) {
  RestartDelay delay;
  for (int i = 0; i < 3; ++i) {
    delay.Started(kStart);
    EXPECT_EQ(delay.Next(kStart + RestartDelay::kLivedWell - absl::Milliseconds(1)),
              RestartDelay::kFirst * (1 << i));
  }
}

TEST(RestartDelay, IsTheFirstAgainAfterOneThatLivedWell) {
  RestartDelay delay;
  (void)delay.Next(kStart);
  (void)delay.Next(kStart);
  delay.Started(kStart);
  EXPECT_EQ(delay.Next(kStart + RestartDelay::kLivedWell), RestartDelay::kFirst);
  EXPECT_EQ(delay.Next(kStart + RestartDelay::kLivedWell * 2), RestartDelay::kFirst * 2)
      << "its life counts once";
}

}  // namespace
}  // namespace glovebox
