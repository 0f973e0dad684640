// The REPOSITORY of push.
#ifndef GLOVEBOX_TOOLS_PUSH_TARGET_H_
#define GLOVEBOX_TOOLS_PUSH_TARGET_H_

#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace glovebox {

struct PushTarget {
  std::string location;  // for git: an absolute path, a URL, or HOST:PATH
  std::string shown;     // for people: without a password
};

// As git reads it (git-push(1), GIT URLS): a path unless it has "://", "::", or a colon before the
// first slash. A relative path begins at the working directory. INVALID_ARGUMENT for what is empty,
// looks like an option, or has control characters.
absl::StatusOr<PushTarget> ParsePushTarget(absl::string_view text);

// `text` without `target`'s password, wherever it names it.
std::string WithoutPassword(absl::string_view text, const PushTarget& target);

}  // namespace glovebox

#endif  // GLOVEBOX_TOOLS_PUSH_TARGET_H_
