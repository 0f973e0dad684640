#include "service/convert_time.h"

#include <algorithm>
#include <limits>

#include "absl/strings/str_cat.h"
#include "service/request_error.h"

namespace glovebox {
namespace {
constexpr int64_t kSecondsMin = -62135596800;  // 0001-01-01T00:00:00Z
constexpr int64_t kSecondsMax = 253402300799;  // 9999-12-31T23:59:59Z
}  // namespace

google::protobuf::Timestamp ToProtoTime(absl::Time time) {
  google::protobuf::Timestamp proto;
  const int64_t seconds = std::clamp(absl::ToUnixSeconds(time), kSecondsMin, kSecondsMax);
  const absl::Duration rest = time - absl::FromUnixSeconds(seconds);
  proto.set_seconds(seconds);
  proto.set_nanos(
      static_cast<int32_t>(std::clamp<int64_t>(absl::ToInt64Nanoseconds(rest), 0, 999'999'999)));
  return proto;
}

google::protobuf::Duration ToProtoDuration(absl::Duration duration) {
  google::protobuf::Duration proto;
  absl::Duration rest;
  const int64_t seconds = absl::IDivDuration(duration, absl::Seconds(1), &rest);
  proto.set_seconds(seconds);
  proto.set_nanos(static_cast<int32_t>(absl::ToInt64Nanoseconds(rest)));
  return proto;
}

google::protobuf::Timestamp MonotonicToProtoTime(int64_t monotonic_ns, const Clock& clock,
                                                 absl::Duration later) {
  // Durations saturate; init's numbers may be any.
  const absl::Duration ago =
      absl::Nanoseconds(clock.MonotonicNanos()) - absl::Nanoseconds(monotonic_ns);
  return ToProtoTime(clock.Now() - ago + later);
}

absl::StatusOr<uint32_t> MillisFromProto(const google::protobuf::Duration& duration,
                                         uint32_t least_ms, absl::string_view field) {
  constexpr int64_t kMax = std::numeric_limits<uint32_t>::max();
  const bool well_formed = duration.nanos() > -1'000'000'000 && duration.nanos() < 1'000'000'000;
  if (!well_formed || duration.seconds() < 0 || duration.nanos() < 0) {
    return FieldError(field, "must not be negative");
  }
  if (duration.seconds() > kMax / 1000 - 1) return FieldError(field, "must be at most 49 days");
  const int64_t millis = duration.seconds() * 1000 + (duration.nanos() + 999'999) / 1'000'000;
  if (millis < least_ms) {
    return FieldError(field, absl::StrCat("must be at least ", least_ms, " ms"));
  }
  return static_cast<uint32_t>(millis);
}

}  // namespace glovebox
