#include "policy/exec_limits.h"

#include "absl/strings/str_cat.h"
#include "base/status.h"

namespace glovebox {
namespace {

absl::Status Refuse(const ExecLimitRange& range, uint64_t value) {
  return DetailedError(
      absl::StatusCode::kOutOfRange,
      absl::StrCat(
          "exec ", range.field, " is ", value, " ", range.unit, "; give ",
          range.zero_is_none ? "0 for none, or " : "", "a value from ", range.min, " to ",
          range.max,
          range.multiple_of > 1 ? absl::StrCat(" that is a multiple of ", range.multiple_of) : ""),
      {"LIMIT_OUT_OF_RANGE",
       {{"field", range.field},
        {"value", absl::StrCat(value)},
        {"min", absl::StrCat(range.min)},
        {"max", absl::StrCat(range.max)}}});
}

}  // namespace

const std::vector<ExecLimitRange>& ExecLimitRanges() {
  constexpr uint64_t kWeekMs = uint64_t{7} * 24 * 3600 * 1000;
  constexpr uint64_t kMinuteMs = 60 * 1000;
  constexpr uint64_t kMiB = 1024 * 1024;
  using L = ExecLimits;
  static const auto* const ranges = new std::vector<ExecLimitRange>{
      {"wall_ms", "ms", &L::wall_ms, 1, kWeekMs, 1, true},
      {"idle_ms", "ms", &L::idle_ms, 1, kWeekMs, 1, true},
      {"output_bytes", "bytes", &L::output_bytes, 1, kMiB * kMiB, 1, true},
      {"term_grace_ms", "ms", &L::term_grace_ms, 0, 10 * kMinuteMs, 1, false},
      {"drain_ms", "ms", &L::drain_ms, 0, kMinuteMs, 1, false},
      {"hold_ms", "ms", &L::hold_ms, 0, 10 * kMinuteMs, 1, false},
      {"head_bytes", "bytes", &L::head_bytes, 0, 16 * kMiB, 8, false},
      // Records are at most a quarter of their ring.
      {"ring_bytes", "bytes", &L::ring_bytes, kMiB / 16, 64 * kMiB, 8, false},
      {"stderr_ring_bytes", "bytes", &L::stderr_ring_bytes, kMiB / 16, 64 * kMiB, 8, false},
      {"full_log_bytes", "bytes", &L::full_log_bytes, 4096, 64 * 1024 * kMiB, 1, true},
  };
  return *ranges;
}

absl::Status Validate(const ExecLimits& limits) {
  for (const ExecLimitRange& range : ExecLimitRanges()) {
    const uint64_t value = limits.*range.member;
    if (range.zero_is_none && value == 0) continue;
    if (value < range.min || value > range.max || value % range.multiple_of != 0) {
      return Refuse(range, value);
    }
  }
  return absl::OkStatus();
}

}  // namespace glovebox
