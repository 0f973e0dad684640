// Monotonic time, injected so that deadlines can be tested without waiting.
#ifndef GLOVEBOX_BASE_CLOCK_H_
#define GLOVEBOX_BASE_CLOCK_H_

#include <cstdint>

#include "absl/time/time.h"

namespace glovebox {

class Clock {
 public:
  virtual ~Clock() = default;
  // CLOCK_MONOTONIC in nanoseconds; the clock of frames and deadlines. Thread-safe.
  virtual int64_t MonotonicNanos() const = 0;
  // Wall clock, for people and records only; never compared with a deadline. Thread-safe.
  virtual absl::Time Now() const = 0;
};

class RealClock final : public Clock {
 public:
  int64_t MonotonicNanos() const override;
  absl::Time Now() const override;
};

}  // namespace glovebox

#endif  // GLOVEBOX_BASE_CLOCK_H_
