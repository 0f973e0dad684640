#include "exec/limit_facts.h"

#include <gtest/gtest.h>

#include <csignal>

#include "init/limit_watch.h"

namespace glovebox {
namespace {

constexpr ExecLimitValues kLimits{1 << 30, 128, 1 << 20, 1000};

ExecResult Facts(const LimitFacts& facts, ExecResult::Cause cause = ExecResult::Cause::kExited,
                 std::optional<int> signal = std::nullopt) {
  ExecEnd end{};
  end.limits = facts;
  ExecResult result;
  result.cause = cause;
  result.signal = signal;
  SetLimitFacts(end, kLimits, &result);
  return result;
}

TEST(LimitFactsTest, NothingHappenedMeansNoFacts) {
  const ExecResult result = Facts({});
  EXPECT_FALSE(result.oom.has_value());
  EXPECT_FALSE(result.pids.has_value());
  EXPECT_FALSE(result.disk.has_value());
}

TEST(LimitFactsTest, TheVictimIsNamedOnlyWhenItIsKnown) {
  LimitFacts facts{};
  facts.oom_kills = 2;
  facts.memory_peak_bytes = 77;
  const ExecResult leader = Facts(facts, ExecResult::Cause::kOomKilled, SIGKILL);
  EXPECT_EQ(leader.oom->victim, OomFacts::Victim::kLeader);
  EXPECT_EQ(leader.oom->limit_bytes, uint64_t{1} << 30);
  EXPECT_EQ(leader.oom->peak_bytes, 77u);
  EXPECT_EQ(leader.oom->kills, 2u);
  EXPECT_EQ(Facts(facts, ExecResult::Cause::kOomKilled).oom->victim, OomFacts::Victim::kDescendant);
  EXPECT_EQ(Facts(facts, ExecResult::Cause::kKilledByClient, SIGKILL).oom->victim,
            OomFacts::Victim::kDescendant);
  facts.shared = 1;
  EXPECT_EQ(Facts(facts).oom->victim, OomFacts::Victim::kUnknown);
  EXPECT_TRUE(Facts(facts).oom->shared);
}

TEST(LimitFactsTest, RefusedForksComeWithTheLimit) {
  LimitFacts facts{};
  facts.forks_refused = 3;
  EXPECT_EQ(Facts(facts).pids->limit, 128u);
  EXPECT_EQ(Facts(facts).pids->forks_refused, 3u);
}

TEST(LimitFactsTest, WhatBecameFullGoesBeforeWhatWasFull) {
  LimitFacts facts{};
  facts.full = kFullDiskBytes | kFullTmpInodes;
  facts.full_before = kFullDiskBytes;
  ExecResult result = Facts(facts);
  EXPECT_EQ(result.disk->path, "/tmp");
  EXPECT_TRUE(result.disk->inodes);
  EXPECT_FALSE(result.disk->at_start);
  facts.full = kFullDiskInodes;
  facts.full_before = kFullDiskInodes;
  result = Facts(facts);
  EXPECT_EQ(result.disk->path, "/");
  EXPECT_EQ(result.disk->limit, 1000u);
  EXPECT_TRUE(result.disk->at_start);
}

TEST(CauseWithLimitsTest, OnlyAFailureThatIsThisCommandsOwnIsExplained) {
  LimitFacts oom{}, pids{}, disk{}, old_disk{}, all{};
  all.oom_kills = oom.oom_kills = 1;
  all.forks_refused = pids.forks_refused = 1;
  all.full = disk.full = kFullDiskBytes;
  old_disk.full = old_disk.full_before = kFullDiskBytes;
  const EndCause exited = EndCause::kExited, signaled = EndCause::kSignaled;
  EXPECT_EQ(CauseWithLimits(exited, 0, 0, all), exited);
  EXPECT_EQ(CauseWithLimits(exited, 1, 0, all), EndCause::kOomKilled);
  EXPECT_EQ(CauseWithLimits(exited, 1, 0, oom), EndCause::kOomKilled);
  EXPECT_EQ(CauseWithLimits(exited, 1, 0, pids), EndCause::kPidsLimit);
  EXPECT_EQ(CauseWithLimits(signaled, -1, SIGABRT, pids), EndCause::kPidsLimit);
  EXPECT_EQ(CauseWithLimits(exited, 1, 0, disk), EndCause::kDiskFull);
  EXPECT_EQ(CauseWithLimits(exited, 1, 0, old_disk), exited);
  EXPECT_EQ(CauseWithLimits(exited, 1, 0, LimitFacts{}), exited);
  for (LimitFacts* facts : {&oom, &pids, &disk, &all}) facts->shared = 1;
  for (const LimitFacts& facts : {oom, pids, disk, all}) {
    EXPECT_EQ(CauseWithLimits(exited, 1, 0, facts), exited);
    EXPECT_EQ(CauseWithLimits(signaled, -1, SIGTERM, facts), signaled);
  }
  EXPECT_EQ(CauseWithLimits(signaled, -1, SIGKILL, oom), EndCause::kOomKilled);
}

}  // namespace
}  // namespace glovebox
