// The PATH[@COMMIT] of --repo.
#ifndef GLOVEBOX_TOOLS_REPOSITORY_ARGUMENT_H_
#define GLOVEBOX_TOOLS_REPOSITORY_ARGUMENT_H_

#include <functional>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace glovebox {

struct RepositoryArgument {
  std::string path;    // absolute
  std::string commit;  // "": HEAD
};

// Splits at the last "@", unless the whole exists as a path; a relative path is made absolute by
// `working_directory`. INVALID_ARGUMENT when path or commit is empty.
absl::StatusOr<RepositoryArgument> ParseRepositoryArgument(
    absl::string_view text, absl::string_view working_directory,
    const std::function<bool(const std::string&)>& exists);

// The same with this process's working directory and files.
absl::StatusOr<RepositoryArgument> ParseRepositoryArgument(absl::string_view text);

// `path` with the working directory in front unless it is absolute. Symlinks stay: the daemon
// resolves them.
absl::StatusOr<std::string> AbsolutePath(absl::string_view path);

}  // namespace glovebox

#endif  // GLOVEBOX_TOOLS_REPOSITORY_ARGUMENT_H_
