// Times and durations between proto and domain.
#ifndef GLOVEBOX_SERVICE_CONVERT_TIME_H_
#define GLOVEBOX_SERVICE_CONVERT_TIME_H_

#include <cstdint>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "base/clock.h"
#include "google/protobuf/duration.pb.h"
#include "google/protobuf/timestamp.pb.h"

namespace glovebox {

// Clamped to what a Timestamp can hold (years 1 to 9999).
google::protobuf::Timestamp ToProtoTime(absl::Time time);
google::protobuf::Duration ToProtoDuration(absl::Duration duration);

// A moment of CLOCK_MONOTONIC, or the one `later`, by today's wall clock.
google::protobuf::Timestamp MonotonicToProtoTime(int64_t monotonic_ns, const Clock& clock,
                                                 absl::Duration later = absl::ZeroDuration());

// Milliseconds, rounded up. INVALID_ARGUMENT when malformed, below `least_ms` or beyond 49 days
// (2^32 ms).
absl::StatusOr<uint32_t> MillisFromProto(const google::protobuf::Duration& duration,
                                         uint32_t least_ms, absl::string_view field);

}  // namespace glovebox

#endif  // GLOVEBOX_SERVICE_CONVERT_TIME_H_
