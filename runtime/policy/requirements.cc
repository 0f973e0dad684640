#include "policy/requirements.h"

#include <algorithm>
#include <optional>

#include "absl/status/statusor.h"
#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "base/escape.h"
#include "base/status.h"

namespace glovebox {
namespace {

constexpr size_t kTextBytesMax = 100;

struct Requirement {
  std::string name;
  std::optional<uint64_t> level;
};

absl::Status NoRequirement(absl::string_view why) {
  return DetailedError(absl::StatusCode::kInvalidArgument, absl::StrCat("require: ", why),
                       {"INVALID_FIELD", {{"field", "require"}}});
}

absl::StatusOr<Requirement> Parse(const std::string& text) {
  Requirement requirement;
  const size_t sign = text.find(">=");
  requirement.name = text.substr(0, sign);
  const bool named =
      !requirement.name.empty() && text.size() <= kTextBytesMax &&
      std::all_of(requirement.name.begin(), requirement.name.end(), [](char c) {
        return absl::ascii_isalnum(static_cast<unsigned char>(c)) || c == '_' || c == '.';
      });
  uint64_t level = 0;
  const bool leveled = sign != std::string::npos;
  if (!named || (leveled && !absl::SimpleAtoi(text.substr(sign + 2), &level))) {
    return NoRequirement(absl::StrCat("\"", EscapeForPeople(text, kTextBytesMax),
                                      "\" is neither NAME nor NAME>=NUMBER"));
  }
  if (leveled) requirement.level = level;
  return requirement;
}

absl::Status Missing(const std::string& asked, const std::string& name, const std::string& found,
                     const std::string& remedy) {
  ErrorDetail detail{"CAPABILITY_MISSING",
                     {{"capability", name}, {"value", found}, {"limit", asked}}};
  if (!remedy.empty()) detail.metadata["remedy"] = remedy;
  return DetailedError(absl::StatusCode::kFailedPrecondition,
                       absl::StrCat("required: ", asked, "; this host has ", found), detail);
}

// "landlock 4 (ABI 4)", "landlock in a weaker form (ABI 4)", "no landlock (absent)".
std::string WhatThereIs(const HostCapability& capability, bool leveled) {
  std::string is;
  if (leveled) {
    is = absl::StrCat(capability.name, " ", capability.level);
  } else if (capability.state == HostCapability::State::kDegraded) {
    is = absl::StrCat(capability.name, " in a weaker form");
  } else {
    is = absl::StrCat("no ", capability.name);
  }
  if (!capability.mechanism.empty()) absl::StrAppend(&is, " (", capability.mechanism, ")");
  return is;
}

absl::Status Check(const std::string& asked, const std::vector<HostCapability>& capabilities) {
  ASSIGN_OR_RETURN(const Requirement requirement, Parse(asked));
  const auto found =
      std::find_if(capabilities.begin(), capabilities.end(),
                   [&](const HostCapability& c) { return c.name == requirement.name; });
  if (found == capabilities.end()) {
    const std::string names = absl::StrJoin(
        capabilities, " ",
        [](std::string* out, const HostCapability& c) { absl::StrAppend(out, c.name); });
    return Missing(asked, requirement.name, absl::StrCat("nothing by that name, but: ", names), "");
  }
  const bool holds = requirement.level.has_value()
                         ? found->level >= *requirement.level
                         : found->state == HostCapability::State::kAvailable;
  if (holds) return absl::OkStatus();
  return Missing(asked, requirement.name, WhatThereIs(*found, requirement.level.has_value()),
                 found->remedy);
}

}  // namespace

absl::Status CheckRequirements(const std::vector<std::string>& required,
                               const std::vector<HostCapability>& capabilities) {
  if (required.size() > kRequirementsMax) {
    return NoRequirement(absl::StrCat("has at most ", kRequirementsMax, " entries"));
  }
  for (const std::string& one : required) RETURN_IF_ERROR(Check(one, capabilities));
  return absl::OkStatus();
}

}  // namespace glovebox
