#include "policy/host_name.h"

#include <algorithm>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "base/status.h"

namespace glovebox {
namespace {

constexpr size_t kLabelBytesMax = 63;

absl::Status NoName(absl::string_view why) {
  return DetailedError(absl::StatusCode::kInvalidArgument,
                       absl::StrCat("a host name ", why, "; write it as in \"pypi.org\""),
                       {"INVALID_FIELD", {{"field", "host"}}});
}

bool IsNumber(absl::string_view label) {
  if (absl::StartsWith(label, "0x")) {
    return std::all_of(label.begin() + 2, label.end(),
                       [](char c) { return absl::ascii_isxdigit(static_cast<unsigned char>(c)); });
  }
  return std::all_of(label.begin(), label.end(),
                     [](char c) { return absl::ascii_isdigit(static_cast<unsigned char>(c)); });
}

absl::Status CheckLabel(absl::string_view label) {
  if (label.empty()) return NoName("has no empty label");
  if (label.size() > kLabelBytesMax) return NoName("has labels of at most 63 bytes");
  const bool plain = std::all_of(label.begin(), label.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_';
  });
  if (!plain) return NoName("has letters, digits, '-', '_' and dots alone (others as xn--...)");
  if (label.front() == '-' || label.back() == '-') {
    return NoName("has no label that begins or ends with '-'");
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<HostName> HostName::Parse(absl::string_view text) {
  if (absl::EndsWith(text, ".")) text.remove_suffix(1);
  if (text.empty()) return NoName("is not empty");
  if (text.size() > kBytesMax) return NoName("has at most 253 bytes");
  std::string name = absl::AsciiStrToLower(text);
  absl::string_view rest = name;
  for (;;) {
    const size_t dot = rest.find('.');
    const absl::string_view label = rest.substr(0, dot);
    RETURN_IF_ERROR(CheckLabel(label));
    if (dot == absl::string_view::npos) {
      if (IsNumber(label)) return NoName("does not end in a number, which makes it an address");
      return HostName(std::move(name));
    }
    rest.remove_prefix(dot + 1);
  }
}

absl::StatusOr<HostPattern> HostPattern::Parse(absl::string_view text) {
  HostPattern pattern;
  pattern.below = absl::ConsumePrefix(&text, "*.");
  ASSIGN_OR_RETURN(const HostName name, HostName::Parse(text));
  if (pattern.below && !absl::StrContains(name.value(), '.')) {
    return NoName("after \"*.\" has two labels at least");
  }
  pattern.name = name.value();
  return pattern;
}

}  // namespace glovebox
