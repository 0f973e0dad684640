// CLOCK_MONOTONIC in nanoseconds, by system call: without a C library there is no vDSO.
#ifndef GLOVEBOX_INIT_CLOCK_H_
#define GLOVEBOX_INIT_CLOCK_H_

#include <cstdint>

#include "linux/raw_syscalls.h"

namespace glovebox {

inline int64_t MonotonicNs() {
  struct {
    int64_t seconds;
    int64_t nanoseconds;
  } now{};
  (void)raw::Call(__NR_clock_gettime, 1 /* CLOCK_MONOTONIC */, &now);  // cannot fail
  return now.seconds * 1'000'000'000 + now.nanoseconds;
}

}  // namespace glovebox

#endif  // GLOVEBOX_INIT_CLOCK_H_
