#include "linux/kernel_features.h"

#include "gtest/gtest.h"
#include "linux/oom_score.h"

namespace glovebox {
namespace {

TEST(KernelFeatures, TheVersionIsComparedByNumberAndNotByText) {
  EXPECT_EQ(JudgeKernelVersion("5.15.0-91-generic").state, FeatureState::kOk);
  EXPECT_EQ(JudgeKernelVersion("6.1.0").state, FeatureState::kOk);
  EXPECT_EQ(JudgeKernelVersion("10.0.1").state, FeatureState::kOk);
  EXPECT_EQ(JudgeKernelVersion("5.4.0").state, FeatureState::kMissing);
  EXPECT_EQ(JudgeKernelVersion("").state, FeatureState::kMissing);
}

TEST(KernelFeatures, LandlockIsMissingWhereRenamesWouldBreakAndDegradedWithoutScopes) {
  EXPECT_EQ(JudgeLandlock(0).state, FeatureState::kMissing);
  EXPECT_EQ(JudgeLandlock(1).state, FeatureState::kMissing);
  EXPECT_EQ(JudgeLandlock(2).state, FeatureState::kDegraded);
  EXPECT_EQ(JudgeLandlock(5).state, FeatureState::kDegraded);
  EXPECT_EQ(JudgeLandlock(7).state, FeatureState::kOk);
  for (int abi : {0, 2}) EXPECT_NE(JudgeLandlock(abi).remedy, "");
}

TEST(KernelFeatures, WithoutFileEventsOrAllOfThemWatchesAreDegraded) {
  EXPECT_EQ(JudgeFileEvents(absl::OkStatus(), true).state, FeatureState::kOk);
  EXPECT_EQ(JudgeFileEvents(absl::OkStatus(), false).state, FeatureState::kDegraded);
  const KernelFeature none = JudgeFileEvents(absl::UnimplementedError("fanotify_init: no"), true);
  EXPECT_EQ(none.state, FeatureState::kDegraded);
  EXPECT_EQ(none.found, "fanotify_init: no");
}

TEST(KernelFeatures, WhatIsNotOkSaysWhatIsLostAndWhatToDo) {
  for (const KernelFeature& feature :
       {JudgeKernelVersion("4.19"), JudgeCorePattern("|/usr/share/apport/apport %p"),
        JudgeSwaps("Filename Type Size Used Priority\n/dev/sda2 partition 1 0 -2\n"),
        JudgeFileEvents(absl::OkStatus(), false), JudgeFileEvents(absl::UnknownError("no"), true),
        JudgeSysctl("kernel.kptr_restrict", "0", 1, "addresses"),
        JudgeSysctl("kernel.kptr_restrict", "", 1, "addresses")}) {
    EXPECT_NE(feature.state, FeatureState::kOk) << feature.name;
    EXPECT_NE(feature.lost, "") << feature.name;
    EXPECT_NE(feature.remedy, "") << feature.name;
  }
}

TEST(KernelFeatures, WhatIsOkAsksForNothing) {
  for (const KernelFeature& feature :
       {JudgeCorePattern("core"), JudgeSwaps("Filename Type Size Used Priority\n"), JudgeSwaps(""),
        JudgeSysctl("kernel.perf_event_paranoid", "3", 2, "counters")}) {
    EXPECT_EQ(feature.state, FeatureState::kOk) << feature.name;
    EXPECT_EQ(feature.remedy, "") << feature.name;
  }
}

TEST(KernelFeatures, ADaemonIsProtectedFromMinus900On) {
  EXPECT_EQ(JudgeOomScore(-900).state, FeatureState::kOk);
  EXPECT_EQ(JudgeOomScore(-1000).state, FeatureState::kOk);
  EXPECT_EQ(JudgeOomScore(-899).state, FeatureState::kDegraded);
  EXPECT_EQ(JudgeOomScore(0).state, FeatureState::kDegraded);
  EXPECT_NE(JudgeOomScore(0).remedy.find("OOMScoreAdjust=-900"), std::string::npos);
}

}  // namespace
}  // namespace glovebox
