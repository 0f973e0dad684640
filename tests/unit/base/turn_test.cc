#include "base/turn.h"

#include <gtest/gtest.h>

#include <atomic>
#include <thread>
#include <vector>

namespace glovebox {
namespace {

TEST(Turn, ASecondWakeMakesTheFirstLookAgain) {
  Turn turn;
  ASSERT_TRUE(turn.Begin());
  EXPECT_FALSE(turn.Begin());
  EXPECT_FALSE(turn.End());
  EXPECT_TRUE(turn.End());
  EXPECT_TRUE(turn.Begin());
}

TEST(Turn, NoWakeIsLostAndNoTwoThreadsHaveTheTurn) {
  Turn turn;
  std::atomic<int> posted = 0;
  std::atomic<int> inside = 0;
  int taken = 0;  // of the thread that has the turn
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&] {
      for (int n = 0; n < 20'000; ++n) {
        posted.fetch_add(1);
        if (!turn.Begin()) continue;
        do {
          EXPECT_EQ(inside.fetch_add(1), 0);
          taken += posted.exchange(0);
          inside.fetch_sub(1);
        } while (!turn.End());
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(taken, 80'000);
}

}  // namespace
}  // namespace glovebox
