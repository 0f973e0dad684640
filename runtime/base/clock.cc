#include "base/clock.h"

#include <ctime>

#include "absl/time/clock.h"

namespace glovebox {

int64_t RealClock::MonotonicNanos() const {
  timespec now{};
  (void)::clock_gettime(CLOCK_MONOTONIC, &now);  // cannot fail for this clock and a valid pointer
  return static_cast<int64_t>(now.tv_sec) * 1'000'000'000 + now.tv_nsec;
}

absl::Time RealClock::Now() const { return absl::Now(); }

}  // namespace glovebox
