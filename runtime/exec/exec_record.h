// What is recorded of an exec, as bytes (MessagePack maps; unknown keys are passed over, so that a
// later version may add some, and a field that was added later may be missing). Bytes come from
// state.db, or from a region that a hostile init could write: anything that does not fit is
// DATA_LOSS with reason RECORD_INVALID and metadata field.
#ifndef GLOVEBOX_EXEC_EXEC_RECORD_H_
#define GLOVEBOX_EXEC_EXEC_RECORD_H_

#include <cstdint>
#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "exec/exec_spec.h"

namespace glovebox {

inline constexpr size_t kExecRecordBytesMax = kSpecBytesMax + 64 * 1024;

// What was asked for. Also stands in the exec's region (OutputRegion::record), so that it is known
// to the next daemon although no row of it was written yet.
struct ExecRecord {
  std::string exec_id;
  ExecSpec spec;
  ChangesStart changes = {};
};
std::string EncodeExecRecord(absl::string_view exec_id, const ExecSpec& spec,
                             const ChangesStart& changes = {});
// The spec fits ValidateExecSpec; the id is not checked.
absl::StatusOr<ExecRecord> DecodeExecRecord(absl::string_view bytes);

// What became of it.
struct ExecOutcome {
  std::optional<int32_t> pid;  // inside the sandbox; none when it never started
  int64_t started_ns = 0;      // monotonic, of the boot in which it ran
  uint64_t stdin_accepted = 0, stdin_written = 0;
  ExecResult result;
};
// Of an exec that has a row but that init does not hold and that was never recorded as ended: its
// kStart died with the daemon that sent it. kSpawnFailed with ECONNRESET; the command never ran.
ExecOutcome NeverStartedOutcome();
std::string EncodeExecOutcome(const ExecOutcome& outcome);
absl::StatusOr<ExecOutcome> DecodeExecOutcome(absl::string_view bytes);

}  // namespace glovebox

#endif  // GLOVEBOX_EXEC_EXEC_RECORD_H_
