#include "tools/glovebox/lookup.h"

#include <gtest/gtest.h>

namespace glovebox {
namespace {

const std::vector<std::string>& Ids() {
  static const auto* ids = new std::vector<std::string>{
      "3f2a0000000000000000000000000000", "3f2b0000000000000000000000000000", "3f2a1"};
  return *ids;
}

TEST(LookupTest, AUniqueBeginningIsEnough) {
  EXPECT_EQ(*FindByBeginning("sandbox id", "3f2b", Ids()), Ids()[1]);
  EXPECT_EQ(*FindByBeginning("sandbox id", "3f2a0", Ids()), Ids()[0]);
}

TEST(LookupTest, AnAmbiguousOrShortOneIsRefused) {
  EXPECT_TRUE(absl::IsInvalidArgument(FindByBeginning("sandbox id", "3f2a", Ids()).status()));
  EXPECT_TRUE(absl::IsInvalidArgument(FindByBeginning("sandbox id", "3f2", Ids()).status()));
  EXPECT_TRUE(absl::IsInvalidArgument(FindByBeginning("sandbox id", "", Ids()).status()));
  EXPECT_TRUE(absl::IsInvalidArgument(FindByBeginning("sandbox id", "3F2B", Ids()).status()));
}

TEST(LookupTest, NoneIsNotFound) {
  EXPECT_TRUE(absl::IsNotFound(FindByBeginning("sandbox id", "aaaa", Ids()).status()));
}

}  // namespace
}  // namespace glovebox
