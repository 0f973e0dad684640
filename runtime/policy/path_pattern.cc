#include "policy/path_pattern.h"

#include <algorithm>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "base/status.h"

namespace glovebox {
namespace {

absl::Status NoPath(absl::string_view why) {
  return DetailedError(absl::StatusCode::kInvalidArgument, absl::StrCat("a path ", why),
                       {"INVALID_FIELD", {{"field", "path"}}});
}

bool IsUnreserved(char c) {
  return absl::ascii_isalnum(static_cast<unsigned char>(c)) || c == '-' || c == '.' || c == '_' ||
         c == '~';
}

int Digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

// `escape` is what follows a '%'.
absl::Status AppendEscape(absl::string_view escape, std::string* path) {
  const int high = escape.empty() ? -1 : Digit(escape[0]);
  const int low = escape.size() < 2 ? -1 : Digit(escape[1]);
  if (high < 0 || low < 0) return NoPath("has '%' before two hexadecimal digits alone");
  const char c = static_cast<char>(high * 16 + low);
  if (c == '/' || c == '\\') return NoPath("has no escaped '/' or '\\'");
  if (absl::ascii_iscntrl(static_cast<unsigned char>(c))) {
    return NoPath("has no escaped control character");
  }
  if (IsUnreserved(c)) {
    path->push_back(c);
  } else {
    constexpr char kDigits[] = "0123456789ABCDEF";
    path->append({'%', kDigits[high], kDigits[low]});
  }
  return absl::OkStatus();
}

// Bytes that no UTF-8 has, by which loose decoders write '.' or '/' at greater length.
absl::Status CheckNoOverlong(absl::string_view path) {
  for (const char* const form : {"%C0", "%C1", "%E0%8", "%E0%9", "%F0%8"}) {
    if (absl::StrContains(path, form)) {
      return NoPath("has no character in more bytes than it needs");
    }
  }
  return absl::OkStatus();
}

absl::Status CheckSegments(absl::string_view path) {
  size_t empty = 0;
  for (const absl::string_view segment : absl::StrSplit(path.substr(1), '/')) {
    if (empty > 0) return NoPath("has no empty segment (\"//\")");
    // Programs take what follows a ';' for parameters, also where that was escaped.
    const absl::string_view name =
        segment.substr(0, std::min(segment.find(';'), segment.find("%3B")));
    if (name == "." || name == "..") return NoPath("has no segment \".\" or \"..\"");
    if (segment.empty()) ++empty;  // the last one may be
  }
  return absl::OkStatus();
}

bool IsOfPaths(char c) { return c > ' ' && c < 0x7f && c != '\\' && c != '#' && c != '?'; }

}  // namespace

absl::StatusOr<std::string> NormalPath(absl::string_view target) {
  if (!absl::StartsWith(target, "/")) return NoPath("begins with '/'");
  target = target.substr(0, target.find('?'));
  if (target.size() > kRequestPathBytesMax) return NoPath("has at most 8192 bytes");
  std::string path;
  for (size_t i = 0; i < target.size(); ++i) {
    if (target[i] == '%') {
      RETURN_IF_ERROR(AppendEscape(target.substr(i + 1), &path));
      i += 2;
    } else if (IsOfPaths(target[i])) {
      path.push_back(target[i]);
    } else {
      return NoPath("has printable ASCII alone, and neither '\\' nor '#'");
    }
  }
  RETURN_IF_ERROR(CheckSegments(path));
  RETURN_IF_ERROR(CheckNoOverlong(path));
  return path;
}

absl::StatusOr<PathPattern> PathPattern::Parse(absl::string_view text) {
  if (text.empty() || text.size() > kBytesMax) {
    return NoPath(absl::StrCat("pattern has 1 to ", kBytesMax, " bytes"));
  }
  if (text[0] != '/' && text[0] != '*') return NoPath("pattern begins with '/' or '*'");
  if (text[0] == '/') RETURN_IF_ERROR(CheckSegments(text));
  PathPattern pattern;
  pattern.text_ = std::string(text);
  size_t at = 0;
  for (size_t i = 0; i < text.size(); ++i, ++at) {
    if (!IsOfPaths(text[i])) {
      return NoPath("pattern has printable ASCII alone, and none of '\\', '#' and '?'");
    }
    if (text[i] == '%') {
      std::string spelled;
      RETURN_IF_ERROR(AppendEscape(text.substr(i + 1), &spelled));
      if (spelled != text.substr(i, 3)) {
        return NoPath(absl::StrCat("pattern has ", spelled, " instead of ", text.substr(i, 3)));
      }
    }
    if (text[i] != '*') {
      pattern.literals_[text[i]].set(at);
      continue;
    }
    size_t stars = 1;
    while (i + 1 < text.size() && text[i + 1] == '*') {
      ++i;
      ++stars;
    }
    (stars == 1 ? pattern.within_ : pattern.across_).set(at);
  }
  pattern.end_ = at;
  return pattern;
}

// State i: the first i parts of the pattern fit what was read. A run stays where it is with each
// byte that it takes, and is passed without any; no two runs are neighbours.
bool PathPattern::Matches(absl::string_view normal_path) const {
  const States runs = within_ | across_;
  const auto pass = [&](const States& states) { return states | (states & runs) << 1; };
  States states;
  states.set(0);
  states = pass(states);
  for (const char c : normal_path) {
    States next = states & (c == '/' ? across_ : runs);
    if (const auto literal = literals_.find(c); literal != literals_.end()) {
      next |= (states & literal->second) << 1;
    }
    states = pass(next);
    if (states.none()) return false;
  }
  return states.test(end_);
}

}  // namespace glovebox
