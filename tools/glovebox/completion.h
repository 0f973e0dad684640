// Completion scripts, written from the parser's own tree of verbs and options so that they cannot
// be out of date.
#ifndef GLOVEBOX_TOOLS_COMPLETION_H_
#define GLOVEBOX_TOOLS_COMPLETION_H_

#include <string>

#include "absl/status/statusor.h"

namespace CLI {
class App;
}  // namespace CLI

namespace glovebox {

// For "bash", "zsh" or "fish"; INVALID_ARGUMENT for another shell. Words, options, and where an id
// is wanted, those of `glovebox ls -q`. Pure.
absl::StatusOr<std::string> CompletionScript(const std::string& shell, const CLI::App& app);

}  // namespace glovebox

#endif  // GLOVEBOX_TOOLS_COMPLETION_H_
