#include "linux/host_duties.h"

#include <gtest/gtest.h>

namespace glovebox {
namespace {

TEST(HostDuties, CgroupVersionHasALevelThatCanBeRequired) {
  EXPECT_EQ(JudgeCgroupVersion(CgroupVersion::kV2).state, FeatureState::kOk);
  EXPECT_EQ(JudgeCgroupVersion(CgroupVersion::kV2).level, 2U);
  EXPECT_EQ(JudgeCgroupVersion(CgroupVersion::kHybrid).state, FeatureState::kDegraded);
  EXPECT_EQ(JudgeCgroupVersion(CgroupVersion::kV1Only).level, 1U);
}

TEST(HostDuties, SmtAndKsmAreOffOrAbsent) {
  EXPECT_EQ(JudgeSmt("0").state, FeatureState::kOk);
  EXPECT_EQ(JudgeSmt("").state, FeatureState::kOk);
  EXPECT_EQ(JudgeSmt("1").state, FeatureState::kDegraded);
  EXPECT_EQ(JudgeKsm("0").state, FeatureState::kOk);
  EXPECT_EQ(JudgeKsm("1").state, FeatureState::kDegraded);
}

TEST(HostDuties, AVulnerableCpuIsNamed) {
  EXPECT_EQ(JudgeMitigations({{"meltdown", "Not affected"}, {"spectre_v1", "Mitigation: x"}}).state,
            FeatureState::kOk);
  const KernelFeature weak =
      JudgeMitigations({{"mds", "Vulnerable: Clear CPU buffers attempted"}, {"l1tf", "x"}});
  EXPECT_EQ(weak.state, FeatureState::kDegraded);
  EXPECT_EQ(weak.found, "vulnerable: mds");
}

TEST(HostDuties, StateOnTheRootFileSystemIsNotForgiven) {
  EXPECT_EQ(JudgeStateFileSystem(false, "/s").state, FeatureState::kOk);
  EXPECT_EQ(JudgeStateFileSystem(true, "/s").state, FeatureState::kDegraded);
}

TEST(HostDuties, WhatIsWeakSaysWhatIsLostAndWhatToDo) {
  for (const KernelFeature& duty : ProbeHostDuties("/")) {
    EXPECT_FALSE(duty.found.empty()) << duty.name;
    EXPECT_EQ(duty.lost.empty(), duty.state == FeatureState::kOk) << duty.name;
    EXPECT_EQ(duty.remedy.empty(), duty.state == FeatureState::kOk) << duty.name;
  }
}

}  // namespace
}  // namespace glovebox
