#include "tools/glovebox/push_target.h"

#include <algorithm>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "base/status.h"
#include "tools/glovebox/repository_argument.h"

namespace glovebox {
namespace {

bool IsPath(absl::string_view text) {
  const size_t colon = text.find(':');
  return colon == absl::string_view::npos || text.find('/') < colon;
}

// "scheme://user:password@host/..." with three stars in the password's place. A token is often the
// user's name: with no password that is hidden, too.
std::string Shown(absl::string_view url) {
  const size_t scheme = url.find("://");
  if (scheme == absl::string_view::npos) return std::string(url);
  const size_t begin = scheme + 3;
  const absl::string_view authority =
      url.substr(begin, std::min(url.find('/', begin), url.size()) - begin);
  const size_t at = authority.rfind('@');
  if (at == absl::string_view::npos) return std::string(url);
  const size_t colon = authority.substr(0, at).find(':');
  const bool web = absl::StartsWithIgnoreCase(url, "http");
  if (colon == absl::string_view::npos && !web) return std::string(url);
  const size_t kept = colon == absl::string_view::npos ? begin : begin + colon + 1;
  return absl::StrCat(url.substr(0, kept), "***", url.substr(begin + at));
}

}  // namespace

absl::StatusOr<PushTarget> ParsePushTarget(absl::string_view text) {
  if (text.empty()) return absl::InvalidArgumentError("the repository's name is empty");
  if (std::any_of(text.begin(), text.end(),
                  [](char c) { return static_cast<unsigned char>(c) < ' ' || c == '\x7f'; })) {
    return absl::InvalidArgumentError("the repository's name has control characters");
  }
  if (IsPath(text)) {
    ASSIGN_OR_RETURN(std::string path, AbsolutePath(text));
    return PushTarget{path, path};
  }
  if (text[0] == '-') return absl::InvalidArgumentError("the repository's name begins with a dash");
  return PushTarget{std::string(text), Shown(text)};
}

std::string WithoutPassword(absl::string_view text, const PushTarget& target) {
  return absl::StrReplaceAll(text, {{target.location, target.shown}});
}

}  // namespace glovebox
