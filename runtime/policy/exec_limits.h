// Bounds of one command, and what it gets when its client names nothing. The bounds that
// glovebox-init enforces by itself are in init/exec_limits.h and init/exec_region.h; these are
// never wider.
#ifndef GLOVEBOX_POLICY_EXEC_LIMITS_H_
#define GLOVEBOX_POLICY_EXEC_LIMITS_H_

#include <cstdint>
#include <vector>

#include "absl/status/status.h"

namespace glovebox {

// Arguments, environment, user and directory of one command travel together (kSpecBytesMax of
// init/exec_region.h), less what the fixed part takes.
inline constexpr uint64_t kExecTextBytesMax = 2 * 1024 * 1024 - 4096;
// MAX_ARG_STRLEN: execve(2) refuses a longer single argument or variable with E2BIG.
inline constexpr uint64_t kExecArgumentBytesMax = 32 * 4096 - 1;
inline constexpr uint32_t kExecVariablesMax = 4096;
inline constexpr uint32_t kExecsAtOnceMax = 256;  // commands of one sandbox at once
inline constexpr uint32_t kStdinFrameMax = 32 * 1024;

// A value; times in milliseconds, sizes in bytes.
struct ExecLimits {
  uint64_t wall_ms = 0;       // 0: no limit
  uint64_t idle_ms = 0;       // 0: no limit
  uint64_t output_bytes = 0;  // 0: no limit; what is retained is bounded anyway
  uint64_t term_grace_ms = 2000;
  uint64_t drain_ms = 200;
  uint64_t hold_ms = 60'000;
  uint64_t head_bytes = 64 * 1024;
  uint64_t ring_bytes = 1024 * 1024;
  uint64_t stderr_ring_bytes = 256 * 1024;
  uint64_t full_log_bytes = 0;  // 0: no full log
  friend bool operator==(const ExecLimits&, const ExecLimits&) = default;
};

struct ExecLimitRange {
  const char* field;
  const char* unit;
  uint64_t ExecLimits::*member;
  uint64_t min;
  uint64_t max;
  uint64_t multiple_of;
  bool zero_is_none;  // 0 is allowed besides min..max
};
const std::vector<ExecLimitRange>& ExecLimitRanges();

// OUT_OF_RANGE with reason LIMIT_OUT_OF_RANGE and metadata field, value, min, max.
absl::Status Validate(const ExecLimits& limits);

}  // namespace glovebox

#endif  // GLOVEBOX_POLICY_EXEC_LIMITS_H_
