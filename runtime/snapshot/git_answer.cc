#include "snapshot/git_answer.h"

#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "base/escape.h"
#include "base/status.h"
#include "snapshot/record_json.h"

namespace glovebox {

absl::StatusOr<GitAnswer> ParseGitAnswer(absl::string_view text) {
  const std::vector<std::string> lines = absl::StrSplit(text, '\n');
  const bool good = lines.size() == 5 && lines[4].empty() &&
                    (lines[0] == "known" || lines[0] == "imported") && IsLowerHex(lines[1], 40) &&
                    IsLowerHex(lines[2], 40) && lines[3].size() <= 1024 &&
                    EscapeForPeople(lines[3]) == lines[3];
  if (!good) {
    return DetailedError(
        absl::StatusCode::kFailedPrecondition,
        absl::StrCat("the import worker answered \"", EscapeForPeople(text, 300), "\""),
        {"REPOSITORY_UNSUPPORTED",
         {{"remedy", "check the branch for a name that is not printable"}}});
  }
  GitAnswer answer;
  answer.known = lines[0] == "known";
  answer.source.commit = lines[1];
  answer.source.tree = lines[2];
  answer.source.branch = lines[3];
  return answer;
}

}  // namespace glovebox
