#include "tools/glovebox/copy_names.h"

#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "base/escape.h"

namespace glovebox {
namespace {

std::string OrHere(absl::string_view directory) {
  return directory.empty() ? "." : std::string(directory);
}

// "a/b/" -> "a/b"; "/" stays.
absl::string_view WithoutTrailingSlashes(absl::string_view path) {
  while (path.size() > 1 && path.back() == '/') path.remove_suffix(1);
  return path;
}

CopyTarget Split(absl::string_view path) {
  path = WithoutTrailingSlashes(path);
  const size_t slash = path.rfind('/');
  if (slash == absl::string_view::npos) return {".", std::string(path)};
  return {slash == 0 ? "/" : std::string(path.substr(0, slash)),
          std::string(path.substr(slash + 1))};
}

bool IsContent(absl::string_view path) {
  return path == "." || path == ".." || path == "/" ||
         (path.size() >= 2 && path.substr(path.size() - 2) == "/.") ||
         (path.size() >= 3 && path.substr(path.size() - 3) == "/..");
}

}  // namespace

absl::StatusOr<CopyPlace> ParseCopyPlace(absl::string_view text) {
  if (text.empty()) return absl::InvalidArgumentError("a path to copy is empty");
  const size_t colon = text.find(':');
  const size_t slash = text.find('/');
  if (colon == absl::string_view::npos || colon == 0 || slash < colon) {
    return CopyPlace{std::nullopt, std::string(text)};
  }
  if (colon + 1 == text.size()) {
    return absl::InvalidArgumentError(
        absl::StrCat("\"", EscapeForPeople(text, 80),
                     "\" has no path behind the colon (./NAME is a local file)"));
  }
  return CopyPlace{std::string(text.substr(0, colon)), std::string(text.substr(colon + 1))};
}

CopySource SplitSource(absl::string_view path) {
  const bool slash_behind = path.size() > 1 && path.back() == '/';
  const absl::string_view bare = WithoutTrailingSlashes(path);
  if (IsContent(bare)) return {std::string(bare), ".", true};
  CopyTarget parts = Split(bare);
  return {std::move(parts.directory), std::move(parts.name), slash_behind};
}

absl::StatusOr<CopyTarget> PlanTarget(const CopySource& source, bool source_is_directory,
                                      absl::string_view destination, DestinationKind kind) {
  const std::string shown = absl::StrCat("\"", EscapeForPeople(destination, 200), "\"");
  switch (kind) {
    case DestinationKind::kDirectory:
      return CopyTarget{OrHere(WithoutTrailingSlashes(destination)), source.name};
    case DestinationKind::kFile:
      if (source_is_directory) {
        return absl::InvalidArgumentError(
            absl::StrCat("cannot copy a directory onto the file ", shown));
      }
      return Split(destination);
    case DestinationKind::kMissing:
      break;
  }
  if (!source_is_directory && !destination.empty() && destination.back() == '/') {
    return absl::InvalidArgumentError(absl::StrCat("there is no directory ", shown));
  }
  return Split(destination);
}

absl::StatusOr<std::string> RenameMember(absl::string_view member, absl::string_view top,
                                         absl::string_view renamed) {
  const absl::Status refused = absl::InvalidArgumentError(
      absl::StrCat("the archive has a member with a name that an honest tar does not write: \"",
                   EscapeForPeople(member, 200), "\""));
  if (member.empty() || member[0] == '/' || member.find('\0') != absl::string_view::npos) {
    return refused;
  }
  std::vector<std::string> parts;
  bool top_seen = top == ".";
  for (const absl::string_view part : absl::StrSplit(member, '/')) {
    if (part == "..") return refused;
    if (part.empty() || part == ".") continue;
    if (!top_seen) {
      if (part != top) return refused;
      top_seen = true;
      continue;
    }
    parts.emplace_back(part);
  }
  if (!top_seen) return refused;
  if (renamed != ".") parts.insert(parts.begin(), std::string(renamed));
  return absl::StrJoin(parts, "/");
}

}  // namespace glovebox
