// The files of egress_presets/ as text. Written by CMake into egress_preset_texts.cc.
#ifndef GLOVEBOX_POLICY_EGRESS_PRESET_TEXTS_H_
#define GLOVEBOX_POLICY_EGRESS_PRESET_TEXTS_H_

#include <vector>

#include "absl/strings/string_view.h"

namespace glovebox {

struct EgressPresetText {
  absl::string_view name;
  absl::string_view text;
};
const std::vector<EgressPresetText>& EgressPresetTexts();

}  // namespace glovebox

#endif  // GLOVEBOX_POLICY_EGRESS_PRESET_TEXTS_H_
