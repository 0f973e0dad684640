// When a watched tree is looked at.
#include "changes/watch_pacer.h"

#include <gtest/gtest.h>

#include <algorithm>

namespace glovebox {
namespace {

constexpr int64_t kMs = 1'000'000;

TEST(WatchPacerTest, NothingIsDueWithoutAHint) {
  WatchPacer pacer{WatchPace{}};
  EXPECT_FALSE(pacer.due().has_value());
  pacer.OnHint(0);
  pacer.OnLookBegins();
  pacer.OnLookEnds(11 * kMs, kMs);
  EXPECT_FALSE(pacer.due().has_value());
}

TEST(WatchPacerTest, ALookWaitsForQuietAndNotForEver) {
  WatchPacer pacer{WatchPace{}};
  pacer.OnHint(1000 * kMs);
  EXPECT_EQ(pacer.due(), 1010 * kMs);
  pacer.OnHint(1009 * kMs);
  EXPECT_EQ(pacer.due(), 1019 * kMs);
  for (int64_t at = 1010; at <= 1099; ++at) pacer.OnHint(at * kMs);
  EXPECT_EQ(pacer.due(), 1100 * kMs);
}

TEST(WatchPacerTest, HintsAreAskedForInSlicesAndNotInALongRest) {
  WatchPacer pacer{WatchPace{}};
  EXPECT_FALSE(pacer.wake(0).has_value());
  pacer.OnHint(1000 * kMs);
  EXPECT_EQ(pacer.wake(1000 * kMs), 1002 * kMs);
  pacer.OnHint(1002 * kMs);  // the rest of what one write gives
  EXPECT_EQ(pacer.due(), 1012 * kMs);
  EXPECT_EQ(pacer.wake(1011 * kMs), 1012 * kMs);
  pacer.OnLookBegins();
  pacer.OnLookEnds(1100 * kMs, 50 * kMs);
  pacer.OnHint(1101 * kMs);
  EXPECT_EQ(pacer.due(), 1300 * kMs);
  EXPECT_EQ(pacer.wake(1101 * kMs), 1292 * kMs);
  EXPECT_EQ(pacer.wake(1292 * kMs), 1294 * kMs);
}

TEST(WatchPacerTest, AHintDuringALookIsForTheNextOne) {
  WatchPacer pacer{WatchPace{}};
  pacer.OnHint(1000 * kMs);
  pacer.OnLookBegins();
  pacer.OnHint(1011 * kMs);
  pacer.OnLookEnds(1012 * kMs, 2 * kMs);
  EXPECT_EQ(pacer.due(), 1021 * kMs);
}

TEST(WatchPacerTest, LooksTakeAFifthOfTheTimeAtMost) {
  WatchPacer pacer{WatchPace{}};
  int64_t now = 0;
  int64_t looked = 0;
  // A storm: hints all the time, and looks of 30 ms.
  while (looked < 300 * kMs) {
    pacer.OnHint(now);
    const int64_t due = pacer.due().value();
    if (due > now) {
      now = std::min(due, now + kMs);
      continue;
    }
    pacer.OnLookBegins();
    pacer.OnLookEnds(now + 30 * kMs, 30 * kMs);
    now += 30 * kMs;
    looked += 30 * kMs;
  }
  pacer.OnHint(now);
  EXPECT_GE(pacer.due().value(), 5 * looked);
}

TEST(WatchPacerTest, ADemandWaitsForRestAloneAndIsNotPutOffByHints) {
  WatchPacer pacer{WatchPace{}};
  pacer.OnDemand(5 * kMs);
  EXPECT_EQ(pacer.due(), 5 * kMs);
  pacer.OnLookBegins();
  pacer.OnLookEnds(6 * kMs, kMs);
  pacer.OnDemand(7 * kMs);
  EXPECT_EQ(pacer.due(), 10 * kMs);
  pacer.RestUntil(20 * kMs);
  pacer.RestUntil(15 * kMs);
  EXPECT_EQ(pacer.due(), 20 * kMs);
}

TEST(WatchPollTest, WhatRestsIsAskedEverMoreRarely) {
  WatchPoll poll(HintQuality::kAll);
  EXPECT_EQ(poll.wait(0), 500 * kMs);
  poll.OnTick(/*worked=*/false, /*has_processes=*/true);
  EXPECT_EQ(poll.wait(0), 1000 * kMs);
  for (int i = 0; i < 10; ++i) poll.OnTick(false, true);
  EXPECT_EQ(poll.wait(0), 4000 * kMs);
  poll.OnTick(/*worked=*/true, true);
  EXPECT_EQ(poll.wait(0), 500 * kMs);
}

TEST(WatchPollTest, NobodyIsAskedWhereNothingCanRun) {
  WatchPoll poll(HintQuality::kAll);
  poll.OnTick(/*worked=*/false, /*has_processes=*/false);
  EXPECT_FALSE(poll.wait(0).has_value());
  poll.OnActivity();
  EXPECT_EQ(poll.wait(0), 500 * kMs);
}

TEST(WatchPollTest, WithoutEventsItIsAskedOftenAndNeverStops) {
  WatchPoll poll(HintQuality::kNone);
  EXPECT_EQ(poll.wait(0), 25 * kMs);
  for (int i = 0; i < 10; ++i) poll.OnTick(false, false);
  EXPECT_EQ(poll.wait(0), 1000 * kMs);
  EXPECT_EQ(WatchPoll(HintQuality::kMost).wait(0), 25 * kMs);
}

TEST(WatchPollTest, ALongLookMakesTheNextOneRare) {
  const WatchPoll poll(HintQuality::kNone);
  EXPECT_EQ(poll.wait(100 * kMs), 2000 * kMs);
}

}  // namespace
}  // namespace glovebox
