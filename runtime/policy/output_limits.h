// What is retained of a command's output: what a command gets whose client names nothing, and what
// a client may ask for on this host. The bounds of both are those of exec_limits.h.
#ifndef GLOVEBOX_POLICY_OUTPUT_LIMITS_H_
#define GLOVEBOX_POLICY_OUTPUT_LIMITS_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace glovebox {

struct OutputLimits {
  uint64_t head_bytes = 64 * 1024;              // from the start, all streams together
  uint64_t tail_bytes = 1024 * 1024;            // from the end of stdout, or of the terminal
  uint64_t stderr_tail_bytes = 256 * 1024;      // from the end of stderr
  uint64_t full_log_bytes = uint64_t{1} << 30;  // of a full log that is asked for without a limit
  uint64_t hold_ms = 60'000;  // back pressure: how long a command waits while nobody paces
  friend bool operator==(const OutputLimits&, const OutputLimits&) = default;
};

struct OutputField {
  const char* name;
  uint64_t OutputLimits::*member;
  uint64_t min, max;  // of what may be configured
};
const std::vector<OutputField>& OutputFields();

struct OutputBounds {
  OutputLimits defaults;
  OutputLimits most = {uint64_t{16} << 20, uint64_t{64} << 20, uint64_t{64} << 20,
                       uint64_t{64} << 30, 600'000};
};

// INVALID_ARGUMENT that names the key: outside of its range, or a default above what may be asked
// for.
absl::Status Validate(const OutputBounds& bounds);

}  // namespace glovebox

#endif  // GLOVEBOX_POLICY_OUTPUT_LIMITS_H_
