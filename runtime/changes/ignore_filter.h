// Which changes of one tree are left out: by a client's patterns, and by the .gitignore files that
// are in the tree now.
//
// As `git status` has it: a path is left out when it, or a directory above it, is ignored; below an
// ignored directory nothing is taken in again. A path that the base has is tracked, and no
// .gitignore leaves it out. A client's patterns go before all .gitignore files, and leave out
// tracked paths, too. Not read: .git/info/exclude and files outside the tree.
#ifndef GLOVEBOX_CHANGES_IGNORE_FILTER_H_
#define GLOVEBOX_CHANGES_IGNORE_FILTER_H_

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "changes/change.h"
#include "changes/ignore_rules.h"
#include "changes/journal_history.h"

namespace glovebox {

struct IgnoreLimits {
  uint64_t patterns_max = 10'000;          // all files and the client together
  uint64_t file_bytes_max = 512ull << 10;  // of one .gitignore; a longer one is not read
  uint64_t files_bytes_max = 8ull << 20;   // of all
  uint64_t depth_max = 128;                // no .gitignore is read further down
  uint64_t steps_max = 500'000'000;        // of matching
};

// Gives the content of a directory's .gitignore, "" when it has none; `directory` is relative to
// the root of the walk, "" for itself.
using ReadGitignore = absl::FunctionRef<absl::StatusOr<std::string>(const std::string& directory)>;

// Takes out of `changes`, sorted by path, what is ignored. RESOURCE_EXHAUSTED, reason
// TOO_MANY_CHANGES, metadata limit: patterns, gitignore_bytes, ignore_steps.
absl::Status LeaveOutIgnored(const std::vector<std::string>& client_patterns,
                             bool respect_gitignore, ReadGitignore read, const IgnoreLimits& limits,
                             std::vector<ListedChange>* changes);

// Reads .gitignore files as an overlay shows them, by descriptors; only regular files are read, as
// by git; one that is longer than `bytes_max` is none. `layers` is borrowed.
absl::StatusOr<std::string> ReadMergedGitignore(const Layers& layers, const std::string& directory,
                                                uint64_t bytes_max);

}  // namespace glovebox

#endif  // GLOVEBOX_CHANGES_IGNORE_FILTER_H_
