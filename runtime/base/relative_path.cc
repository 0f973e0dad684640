#include "base/relative_path.h"

#include <climits>

#include "absl/strings/str_cat.h"
#include "base/escape.h"
#include "base/status.h"

namespace glovebox {
namespace {

absl::Status Refuse(absl::string_view text, absl::string_view why) {
  return DetailedError(absl::StatusCode::kInvalidArgument,
                       absl::StrCat("path \"", EscapeForPeople(text, 200), "\": ", why),
                       {"INVALID_FIELD", {}});
}

}  // namespace

absl::StatusOr<RelativePath> RelativePath::Parse(absl::string_view text) {
  if (text.empty()) return Refuse(text, "is empty");
  if (text.front() == '/') return Refuse(text, "must be relative");
  if (text.size() >= PATH_MAX) return Refuse(text, "is longer than 4095 bytes");
  if (text.find('\0') != absl::string_view::npos) return Refuse(text, "has a NUL byte");
  for (size_t start = 0; start <= text.size();) {
    const size_t slash = text.find('/', start);
    const size_t end = slash == absl::string_view::npos ? text.size() : slash;
    const absl::string_view part = text.substr(start, end - start);
    if (part.empty()) return Refuse(text, "has an empty component");
    if (part == "." || part == "..") return Refuse(text, "has a \".\" or \"..\" component");
    if (part.size() > NAME_MAX) return Refuse(text, "has a component over 255 bytes");
    start = end + 1;
  }
  return RelativePath(std::string(text));
}

}  // namespace glovebox
