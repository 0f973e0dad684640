// Reviewed sets of egress rules by name: egress_presets/NAME.rules, embedded when the program is
// built. Immutable; any thread.
#ifndef GLOVEBOX_POLICY_EGRESS_PRESETS_H_
#define GLOVEBOX_POLICY_EGRESS_PRESETS_H_

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "policy/egress_policy.h"

namespace glovebox {

struct EgressPreset {
  std::string name;
  std::string summary;               // one sentence, for people
  std::vector<EgressRule> rules;     // named "PRESET:HOST"
  std::vector<std::string> reasons;  // of each rule, in their order
};

// By name.
const std::vector<EgressPreset>& EgressPresets();
const EgressPreset* FindEgressPreset(absl::string_view name);
std::string EgressPresetNames();  // "alpine, crates, debian"

// A .rules file: the first line is "# SUMMARY"; each other one that is not empty is
//   SCHEME HOST [METHOD,METHOD] [PATH] # reason
// with SCHEME http, https or tls. INVALID_ARGUMENT names the line; a rule without reason is none.
absl::StatusOr<EgressPreset> ParseEgressPreset(absl::string_view name, absl::string_view text);

}  // namespace glovebox

#endif  // GLOVEBOX_POLICY_EGRESS_PRESETS_H_
