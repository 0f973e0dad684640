// What commit and push say of the commit that they make.
#ifndef GLOVEBOX_TOOLS_COMMIT_OPTIONS_H_
#define GLOVEBOX_TOOLS_COMMIT_OPTIONS_H_

#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "glovebox/v1/change.pb.h"
#include "tools/glovebox/verb.h"

namespace glovebox {

struct CommitOptions {
  std::string branch, message, author, date;
  std::vector<std::string> paths;
};

// --author, --date and --path.
void AddCommitOptions(Verb verb, CommitOptions& options);

// Without the sandbox; without an author when neither the options nor git's variables have one.
absl::StatusOr<v1::CommitChangesRequest> BuildCommitRequest(const CommitOptions& options);

// "Name <address>".
absl::StatusOr<v1::GitIdentity> ParseAuthor(absl::string_view text);
// GIT_AUTHOR_NAME and GIT_AUTHOR_EMAIL.
std::optional<v1::GitIdentity> AuthorOfEnvironment();

// Says on stderr what the sandbox has and the commit has not.
void NoteUncommitted(const v1::CommitChangesResponse& response);

}  // namespace glovebox

#endif  // GLOVEBOX_TOOLS_COMMIT_OPTIONS_H_
