#include "service/convert_time.h"

#include <gtest/gtest.h>

namespace glovebox {
namespace {

google::protobuf::Duration Of(int64_t seconds, int32_t nanos) {
  google::protobuf::Duration duration;
  duration.set_seconds(seconds);
  duration.set_nanos(nanos);
  return duration;
}

TEST(MillisFromProto, RoundsUpSoThatNoLimitBecomesNone) {
  EXPECT_EQ(*MillisFromProto(Of(0, 1), 1, "f"), 1u);
  EXPECT_EQ(*MillisFromProto(Of(1, 500'000'000), 1, "f"), 1500u);
  EXPECT_EQ(*MillisFromProto(Of(0, 0), 0, "f"), 0u);
}

TEST(MillisFromProto, RefusesNegativeTooShortTooLongAndMalformed) {
  EXPECT_FALSE(MillisFromProto(Of(0, 0), 1, "f").ok());
  EXPECT_FALSE(MillisFromProto(Of(-1, 0), 0, "f").ok());
  EXPECT_FALSE(MillisFromProto(Of(0, -5), 0, "f").ok());
  EXPECT_FALSE(MillisFromProto(Of(INT64_MAX, 0), 0, "f").ok());
  EXPECT_FALSE(MillisFromProto(Of(4'294'967, 999'999'999), 0, "f").ok());
  EXPECT_FALSE(MillisFromProto(Of(0, INT32_MAX), 0, "f").ok());
}

TEST(ToProtoTime, InfiniteTimesAreClamped) {
  EXPECT_EQ(ToProtoTime(absl::InfiniteFuture()).seconds(), 253402300799);
  EXPECT_EQ(ToProtoTime(absl::InfinitePast()).seconds(), -62135596800);
  EXPECT_EQ(ToProtoTime(absl::FromUnixMillis(1500)).nanos(), 500'000'000);
}

}  // namespace
}  // namespace glovebox
