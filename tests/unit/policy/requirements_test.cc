#include "policy/requirements.h"

#include <gtest/gtest.h>

#include "base/status.h"

namespace glovebox {
namespace {

using State = HostCapability::State;

const std::vector<HostCapability>& Host() {
  static const auto* const kHost = new std::vector<HostCapability>{
      {"landlock", State::kDegraded, "ABI 4", "use Linux 6.12 or later", 4},
      {"memory_limit", State::kAvailable, "cgroup v1 memory", "", 0},
      {"tree_kill", State::kMissing, "", "run Linux 5.14 or newer", 0}};
  return *kHost;
}

std::string MetadataOf(const absl::Status& status, const char* key) {
  const auto detail = GetErrorDetail(status);
  return detail.has_value() && detail->metadata.contains(key) ? detail->metadata.at(key) : "";
}

TEST(Requirements, WhatHoldsIsAccepted) {
  EXPECT_TRUE(CheckRequirements({}, Host()).ok());
  EXPECT_TRUE(CheckRequirements({"memory_limit", "landlock>=4", "landlock>=2"}, Host()).ok());
}

TEST(Requirements, TheFirstThatDoesNotHoldIsNamedWithWhatThereIsAndTheRemedy) {
  const absl::Status status = CheckRequirements({"memory_limit", "landlock>=6"}, Host());
  EXPECT_TRUE(absl::IsFailedPrecondition(status));
  EXPECT_EQ(GetErrorDetail(status)->reason, "CAPABILITY_MISSING");
  EXPECT_EQ(status.message(), "required: landlock>=6; this host has landlock 4 (ABI 4)");
  EXPECT_EQ(MetadataOf(status, "capability"), "landlock");
  EXPECT_EQ(MetadataOf(status, "remedy"), "use Linux 6.12 or later");
}

TEST(Requirements, AWeakerFormIsNotWhatWasRequired) {
  for (const char* asked : {"landlock", "tree_kill", "tree_kill>=1", "from_the_future"}) {
    const absl::Status status = CheckRequirements({asked}, Host());
    EXPECT_EQ(MetadataOf(status, "limit"), asked) << status;
    EXPECT_TRUE(absl::IsFailedPrecondition(status)) << asked;
  }
}

TEST(Requirements, WhatIsNoRequirementIsRefusedAsSuch) {
  for (const std::string& text :
       {std::string(""), std::string(">=6"), std::string("landlock>="), std::string("landlock>=x"),
        std::string("landlock>=-1"), std::string("landlock>6"), std::string("land lock"),
        std::string("a\nb"), std::string(101, 'a')}) {
    EXPECT_TRUE(absl::IsInvalidArgument(CheckRequirements({text}, Host()))) << text;
  }
  EXPECT_TRUE(absl::IsInvalidArgument(
      CheckRequirements(std::vector<std::string>(33, "memory_limit"), Host())));
}

}  // namespace
}  // namespace glovebox
