// The daemon's configuration file.
#include "daemon/config.h"
#include "tests/fuzz/fuzz_input.h"
#include "tests/fuzz/targets.h"

namespace glovebox {

void FuzzConfig(absl::string_view text) {
  Config config;
  if (!ApplyToml(text, "fuzz.toml", &config).ok() || !FinishConfig(&config).ok()) return;
  const std::string shown = FormatConfig(config);
  Config again;
  Demand(ApplyToml(shown, "shown.toml", &again).ok() && FinishConfig(&again).ok(),
         "a configuration that is shown can be read");
  Demand(FormatConfig(again) == shown, "and is the same");
}

}  // namespace glovebox
