#include "changes/path_quote.h"

#include <cstdint>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"

namespace glovebox {
namespace {

bool NeedsQuote(char c) {
  const auto byte = static_cast<uint8_t>(c);
  return byte < 0x20 || byte >= 0x7f || c == '"' || c == '\\';
}

void AppendEscaped(std::string* out, char c) {
  static constexpr absl::string_view kFrom = "\a\b\t\n\v\f\r\"\\";
  static constexpr absl::string_view kTo = "abtnvfr\"\\";
  out->push_back('\\');
  const size_t known = kFrom.find(c);
  if (known != absl::string_view::npos) {
    out->push_back(kTo[known]);
    return;
  }
  const auto byte = static_cast<uint8_t>(c);
  out->push_back(static_cast<char>('0' + (byte >> 6)));
  out->push_back(static_cast<char>('0' + ((byte >> 3) & 7)));
  out->push_back(static_cast<char>('0' + (byte & 7)));
}

// git's is_ntfs_dotgit: the name, or its short form, followed only by dots and spaces up to the end
// or a colon (an NTFS stream).
bool IsNtfsDotGit(absl::string_view part) {
  if (!absl::StartsWithIgnoreCase(part, ".git") && !absl::StartsWithIgnoreCase(part, "git~1")) {
    return false;
  }
  const size_t name_size = part.front() == '.' ? 4 : 5;
  const size_t end = part.find_first_not_of(". ", name_size);
  return end == absl::string_view::npos || part[end] == ':';
}

// Wider than git's is_ntfs_dotgitmodules, whose short names depend on a hash.
bool MayBeNtfsDotGitmodules(absl::string_view part) {
  return absl::StartsWithIgnoreCase(part, ".gitmodules") ||
         absl::StartsWithIgnoreCase(part, "gitmod~") ||
         (absl::StartsWithIgnoreCase(part, "gi") && absl::StrContains(part, '~'));
}

}  // namespace

std::string QuoteForGit(absl::string_view prefix, absl::string_view path) {
  bool quote = false;
  for (char c : path) quote = quote || NeedsQuote(c);
  if (!quote) return absl::StrCat(prefix, path);
  std::string out = absl::StrCat("\"", prefix);
  for (char c : path) {
    if (NeedsQuote(c)) {
      AppendEscaped(&out, c);
    } else {
      out.push_back(c);
    }
  }
  out.push_back('"');
  return out;
}

bool RefusedByGit(absl::string_view path, bool is_symlink) {
  for (absl::string_view part : absl::StrSplit(path, absl::ByAnyChar("/\\"))) {
    if (IsNtfsDotGit(part)) return true;
    if (is_symlink && MayBeNtfsDotGitmodules(part)) return true;
  }
  return false;
}

}  // namespace glovebox
