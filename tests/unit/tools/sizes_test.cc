#include "tools/glovebox/sizes.h"

#include <gtest/gtest.h>

namespace glovebox {
namespace {

TEST(SizesTest, UnitsArePowersOf1024InAnySpelling) {
  EXPECT_EQ(*ParseSize("4096"), 4096u);
  EXPECT_EQ(*ParseSize("4096B"), 4096u);
  EXPECT_EQ(*ParseSize("512M"), 512u << 20);
  EXPECT_EQ(*ParseSize("1GiB"), 1u << 30);
  EXPECT_EQ(*ParseSize("1g"), 1u << 30);
  EXPECT_EQ(*ParseSize("1Gb"), 1u << 30);
  EXPECT_EQ(*ParseSize("0.5GiB"), 1u << 29);
  EXPECT_EQ(*ParseSize("2t"), uint64_t{2} << 40);
}

TEST(SizesTest, RefusesWhatIsNotExactlyASize) {
  for (const char* text :
       {"", "G", "-1", "+1", " 1", "1 G", "1x", "1GiBx", "1..5M", ".5M", "1.M", "0", "0GiB", "0.3B",
        "9999999999999999999", "16777216T", "1e3", "0x10"}) {
    EXPECT_EQ(ParseSize(text).status().code(), absl::StatusCode::kInvalidArgument) << text;
  }
}

TEST(SizesTest, DurationsNeedAUnit) {
  EXPECT_EQ(*ParseTimeout("10s"), absl::Seconds(10));
  EXPECT_EQ(*ParseTimeout("1m30s"), absl::Seconds(90));
  EXPECT_EQ(*ParseTimeout("250ms"), absl::Milliseconds(250));
  EXPECT_EQ(*ParseTimeout("1.5s"), absl::Milliseconds(1500));
  for (const char* text :
       {"", "10", "0", "0s", "-1s", "+1s", "s", "10 s", "inf", "1y", "999999999h"}) {
    EXPECT_EQ(ParseTimeout(text).status().code(), absl::StatusCode::kInvalidArgument) << text;
  }
}

TEST(SizesTest, CpusAreThousandths) {
  EXPECT_EQ(*ParseCpuMillis("1"), 1000u);
  EXPECT_EQ(*ParseCpuMillis("0.5"), 500u);
  EXPECT_EQ(*ParseCpuMillis("1.125"), 1125u);
  for (const char* text : {"", "0", "0.0001", "-1", "1c", "9999", "1."}) {
    EXPECT_FALSE(ParseCpuMillis(text).ok()) << text;
  }
}

TEST(SizesTest, CountsAreDigitsWithinTheirRange) {
  EXPECT_EQ(*ParseCount("256", 1000), 256u);
  for (const char* text : {"", "0", "1001", "1.0", "1k", "-1"}) {
    EXPECT_FALSE(ParseCount(text, 1000).ok()) << text;
  }
}

TEST(SizesTest, FormatsForPeople) {
  EXPECT_EQ(FormatSize(0), "0 B");
  EXPECT_EQ(FormatSize(1023), "1023 B");
  EXPECT_EQ(FormatSize(1u << 30), "1 GiB");
  EXPECT_EQ(FormatSize((1u << 20) + (1u << 19)), "1.5 MiB");
  EXPECT_EQ(FormatSize(~uint64_t{0}), "16.0 EiB");
  EXPECT_EQ(FormatSeconds(absl::Seconds(10)), "10s");
  EXPECT_EQ(FormatSeconds(absl::Nanoseconds(1'234'567'890)), "1.234s");
}

}  // namespace
}  // namespace glovebox
