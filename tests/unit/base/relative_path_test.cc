#include "base/relative_path.h"

#include <string>

#include "base/status.h"
#include "gtest/gtest.h"

namespace glovebox {
namespace {

TEST(RelativePathTest, AcceptsWhatStaysBelow) {
  for (const char* good : {"a", "a/b", ".git/config", "...", "a..b/..c", "\xff\xfe", "a\nb", " "}) {
    const auto path = RelativePath::Parse(good);
    ASSERT_TRUE(path.ok()) << path.status();
    EXPECT_EQ(path->value(), good);
  }
}

TEST(RelativePathTest, RefusesWhatCouldLeaveOrIsAmbiguous) {
  for (const char* bad :
       {"", "/", "/a", ".", "..", "../a", "a/..", "a/../b", "./a", "a/.", "a//b", "a/", "a/./b"}) {
    const absl::Status status = RelativePath::Parse(bad).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << bad;
    const auto detail = GetErrorDetail(status);
    ASSERT_TRUE(detail.has_value()) << bad;
    EXPECT_EQ(detail->reason, "INVALID_FIELD");
  }
}

TEST(RelativePathTest, RefusesNulBytes) {
  EXPECT_FALSE(RelativePath::Parse(absl::string_view("a\0b", 3)).ok());
}

TEST(RelativePathTest, LimitsAreTheKernels) {
  const std::string component(255, 'c');
  EXPECT_TRUE(RelativePath::Parse(component).ok());
  EXPECT_FALSE(RelativePath::Parse(component + "c").ok());
  std::string longest;
  while (longest.size() + 2 <= 4095) longest += "d/";
  longest.resize(4095, 'd');
  EXPECT_EQ(longest.size(), 4095u);
  EXPECT_TRUE(RelativePath::Parse(longest).ok());
  EXPECT_FALSE(RelativePath::Parse(longest + "d").ok());
}

}  // namespace
}  // namespace glovebox
