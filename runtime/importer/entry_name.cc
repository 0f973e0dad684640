#include "importer/entry_name.h"

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "importer/refusal.h"

namespace glovebox {

absl::StatusOr<std::string> NormalizeName(absl::string_view name, AbsoluteNames absolute) {
  if (name.empty()) return RefuseEntry(name, "an entry has no name");
  if (name[0] == '/' && absolute == AbsoluteNames::kRefused) {
    return RefuseEntry(name, "is an absolute name");
  }
  if (name.find('\0') != absl::string_view::npos) return RefuseEntry(name, "has a NUL in it");
  std::string normalized;
  int depth = 0;
  for (const absl::string_view component : absl::StrSplit(name, '/', absl::SkipEmpty())) {
    if (component == ".") continue;
    if (component == "..") return RefuseEntry(name, "has \"..\" in it");
    if (component.size() > kComponentBytesMax) {
      return RefuseEntry(name, absl::StrCat("a part of it is over ", kComponentBytesMax, " bytes"));
    }
    if (++depth > kDepthMax) {
      return EntryTooLarge(name, absl::StrCat("is deeper than ", kDepthMax, " directories"));
    }
    absl::StrAppend(&normalized, normalized.empty() ? "" : "/", component);
  }
  if (normalized.size() > kNameBytesMax) {
    return RefuseEntry(name, absl::StrCat("is over ", kNameBytesMax, " bytes"));
  }
  return normalized;
}

SplitName SplitLast(absl::string_view normalized) {
  const size_t slash = normalized.rfind('/');
  if (slash == absl::string_view::npos) return {"", std::string(normalized)};
  return {std::string(normalized.substr(0, slash)), std::string(normalized.substr(slash + 1))};
}

}  // namespace glovebox
