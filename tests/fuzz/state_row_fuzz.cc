// What state.db says of a sandbox.
#include "sandbox/state_rows.h"
#include "tests/fuzz/fuzz_input.h"
#include "tests/fuzz/targets.h"

namespace glovebox {

void FuzzStateRow(absl::string_view json) {
  const auto options = ParseOptions(json);
  if (!options.ok()) {
    Demand(absl::IsDataLoss(options.status()), "damage is told as such");
    return;
  }
  const auto again = ParseOptions(FormatOptions(*options));
  Demand(again.ok() && *again == *options, "what was read is written and read as the same");
}

}  // namespace glovebox
