#include "changes/path_scope.h"

#include <algorithm>
#include <set>

#include "absl/strings/match.h"
#include "absl/strings/string_view.h"

namespace glovebox {
namespace {

bool IsWithin(absl::string_view path, absl::string_view above) {
  return absl::StartsWith(path, above) &&
         (path.size() == above.size() || path[above.size()] == '/');
}

}  // namespace

void KeepChangesOf(const std::vector<std::string>& paths, std::vector<Change>* changes) {
  if (paths.empty()) return;
  const auto asked = [&](const Change& change) {
    return std::any_of(paths.begin(), paths.end(),
                       [&](const std::string& path) { return IsWithin(change.path, path); });
  };
  // Directories above what was asked for: a removed file among them has a directory in its place.
  std::set<std::string> above;
  for (const std::string& path : paths) {
    const bool added = std::any_of(changes->begin(), changes->end(), [&](const Change& change) {
      return change.letter == ChangeLetter::kAdded && IsWithin(change.path, path);
    });
    for (size_t end = path.find('/'); added && end != path.npos; end = path.find('/', end + 1)) {
      above.insert(path.substr(0, end));
    }
  }
  std::erase_if(*changes, [&](const Change& change) {
    const bool in_the_way =
        change.letter == ChangeLetter::kDeleted && above.find(change.path) != above.end();
    return !in_the_way && !asked(change);
  });
}

}  // namespace glovebox
