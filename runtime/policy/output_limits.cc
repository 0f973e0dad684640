#include "policy/output_limits.h"

#include "absl/strings/str_cat.h"
#include "base/status.h"

namespace glovebox {
namespace {

absl::Status Refuse(absl::string_view section, const OutputField& field, uint64_t value,
                    uint64_t max) {
  return DetailedError(
      absl::StatusCode::kInvalidArgument,
      absl::StrCat(section, ".", field.name, " is ", value, "; give ", field.min, " to ", max),
      {"CONFIG_INVALID", {}});
}

}  // namespace

const std::vector<OutputField>& OutputFields() {
  using L = OutputLimits;
  static const auto* const fields = new std::vector<OutputField>{
      {"head_bytes", &L::head_bytes, 0, uint64_t{16} << 20},
      {"tail_bytes", &L::tail_bytes, uint64_t{64} << 10, uint64_t{64} << 20},
      {"stderr_tail_bytes", &L::stderr_tail_bytes, uint64_t{64} << 10, uint64_t{64} << 20},
      {"full_log_bytes", &L::full_log_bytes, 4096, uint64_t{64} << 30},
      {"hold_ms", &L::hold_ms, 0, 600'000},
  };
  return *fields;
}

absl::Status Validate(const OutputBounds& bounds) {
  for (const OutputField& field : OutputFields()) {
    const uint64_t most = bounds.most.*field.member;
    if (most < field.min || most > field.max) {
      return Refuse("exec_output_max", field, most, field.max);
    }
    const uint64_t value = bounds.defaults.*field.member;
    if (value < field.min || value > most) return Refuse("exec_output", field, value, most);
  }
  return absl::OkStatus();
}

}  // namespace glovebox
