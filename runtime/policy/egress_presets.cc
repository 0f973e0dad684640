#include "policy/egress_presets.h"

#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "base/status.h"
#include "policy/egress_preset_texts.h"

namespace glovebox {
namespace {

absl::Status Wrong(absl::string_view preset, size_t line, absl::string_view why) {
  return DetailedError(absl::StatusCode::kInvalidArgument,
                       absl::StrCat("preset ", preset, ", line ", line, ": ", why),
                       {"INVALID_FIELD", {{"field", "presets"}, {"line", absl::StrCat(line)}}});
}

bool ReadScheme(absl::string_view word, EgressScheme* scheme) {
  constexpr std::pair<absl::string_view, EgressScheme> kSchemes[] = {
      {"http", EgressScheme::kHttp}, {"https", EgressScheme::kHttps}, {"tls", EgressScheme::kTls}};
  for (const auto& [name, value] : kSchemes) {
    if (word != name) continue;
    *scheme = value;
    return true;
  }
  return false;
}

absl::Status ParseLine(size_t number, absl::string_view line, EgressPreset* preset) {
  const std::vector<absl::string_view> halves = absl::StrSplit(line, absl::MaxSplits(" # ", 1));
  if (halves.size() != 2 || absl::StripAsciiWhitespace(halves[1]).empty()) {
    return Wrong(preset->name, number, "a rule ends in \" # \" and its reason");
  }
  const std::vector<std::string> words = absl::StrSplit(halves[0], ' ', absl::SkipEmpty());
  if (words.size() < 2 || words.size() > 4) {
    return Wrong(preset->name, number, "SCHEME HOST [METHOD,METHOD] [PATH]");
  }
  EgressRule rule;
  if (!ReadScheme(words[0], &rule.scheme)) {
    return Wrong(preset->name, number, "the scheme is http, https or tls");
  }
  rule.host = words[1];
  rule.name = absl::StrCat(preset->name, ":", rule.host);
  if (words.size() > 2) rule.methods = absl::StrSplit(words[2], ',');
  if (words.size() > 3) rule.paths = {words[3]};
  preset->rules.push_back(std::move(rule));
  preset->reasons.emplace_back(absl::StripAsciiWhitespace(halves[1]));
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<EgressPreset> ParseEgressPreset(absl::string_view name, absl::string_view text) {
  EgressPreset preset;
  preset.name = std::string(name);
  size_t number = 0;
  for (absl::string_view line : absl::StrSplit(text, '\n')) {
    line = absl::StripAsciiWhitespace(line);
    if (++number == 1) {
      if (!absl::ConsumePrefix(&line, "# ") || line.empty()) {
        return Wrong(name, number, "the first line is \"# \" and what the preset is for");
      }
      preset.summary = std::string(line);
    } else if (!line.empty()) {
      RETURN_IF_ERROR(ParseLine(number, line, &preset));
    }
  }
  if (preset.rules.empty()) return Wrong(name, number, "a preset has rules");
  return preset;
}

// Parsed at the first call; a file that does not parse ends the tests, which read them all.
const std::vector<EgressPreset>& EgressPresets() {
  static const std::vector<EgressPreset>& presets = *[] {
    auto* const all = new std::vector<EgressPreset>;
    for (const EgressPresetText& one : EgressPresetTexts()) {
      all->push_back(ParseEgressPreset(one.name, one.text).value());
    }
    return all;
  }();
  return presets;
}

const EgressPreset* FindEgressPreset(absl::string_view name) {
  for (const EgressPreset& preset : EgressPresets()) {
    if (preset.name == name) return &preset;
  }
  return nullptr;
}

std::string EgressPresetNames() {
  return absl::StrJoin(EgressPresets(), ", ", [](std::string* out, const EgressPreset& preset) {
    out->append(preset.name);
  });
}

}  // namespace glovebox
