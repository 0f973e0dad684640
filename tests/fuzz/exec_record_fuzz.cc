// What is recorded of execs: from state.db, and from memory that a hostile init could write.
#include "exec/exec_record.h"
#include "tests/fuzz/fuzz_input.h"
#include "tests/fuzz/targets.h"

namespace glovebox {

void FuzzExecRecord(absl::string_view input) {
  if (const auto record = DecodeExecRecord(input); record.ok()) {
    Demand(ValidateExecSpec(record->spec).ok(), "a decoded spec is a valid one");
    const auto again = DecodeExecRecord(EncodeExecRecord(record->exec_id, record->spec));
    Demand(again.ok() && again->exec_id == record->exec_id && again->spec == record->spec,
           "what was decoded is encoded and decoded as the same");
  }
  if (const auto outcome = DecodeExecOutcome(input); outcome.ok()) {
    const std::string bytes = EncodeExecOutcome(*outcome);
    const auto again = DecodeExecOutcome(bytes);
    Demand(again.ok() && EncodeExecOutcome(*again) == bytes, "an outcome is the same again");
  }
}

}  // namespace glovebox
