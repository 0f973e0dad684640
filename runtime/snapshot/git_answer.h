// What the import script (git_script.h) says on stdout when it succeeds. It has read a hostile
// repository, so each line is checked.
#ifndef GLOVEBOX_SNAPSHOT_GIT_ANSWER_H_
#define GLOVEBOX_SNAPSHOT_GIT_ANSWER_H_

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "snapshot/snapshot_record.h"

namespace glovebox {

struct GitAnswer {
  bool known = false;     // the store has it; nothing was copied
  SnapshotSource source;  // commit, tree, branch
};

// FAILED_PRECONDITION with reason REPOSITORY_UNSUPPORTED for anything but the four lines.
absl::StatusOr<GitAnswer> ParseGitAnswer(absl::string_view text);

}  // namespace glovebox

#endif  // GLOVEBOX_SNAPSHOT_GIT_ANSWER_H_
