#include "changes/budget.h"

#include "absl/strings/str_cat.h"
#include "base/escape.h"
#include "base/status.h"

namespace glovebox {

absl::Status LimitError(absl::string_view reason, absl::string_view limit, uint64_t max,
                        absl::string_view path) {
  // A path may be as long as the payload cares to nest; the message and the metadata are not.
  const std::string shown = EscapeForPeople(path, 256);
  return DetailedError(
      absl::StatusCode::kResourceExhausted,
      absl::StrCat("limit ", limit, " of ", max, " exceeded at \"", shown,
                   "\"; exclude or remove what is there, or raise the limit"),
      {std::string(reason),
       {{"limit", std::string(limit)}, {"max", absl::StrCat(max)}, {"path", shown}}});
}

absl::Status Allowance::Take(uint64_t amount, absl::string_view path) {
  if (amount > max_ - used_) return LimitError(reason_, limit_, max_, path);
  used_ += amount;
  return absl::OkStatus();
}

TimeAllowance::TimeAllowance(absl::string_view reason, int64_t time_ms_max, const Clock& clock)
    : reason_(reason),
      time_ms_max_(time_ms_max),
      clock_(clock),
      end_ns_(clock.MonotonicNanos() + time_ms_max * 1'000'000) {}

absl::Status TimeAllowance::Check(absl::string_view path) const {
  if (clock_.MonotonicNanos() <= end_ns_) return absl::OkStatus();
  return LimitError(reason_, "time_ms", static_cast<uint64_t>(time_ms_max_), path);
}

}  // namespace glovebox
