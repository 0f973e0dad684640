// A patch of what was made of a checkout of a commit.
#ifndef GLOVEBOX_CHANGES_COMMIT_PATCH_H_
#define GLOVEBOX_CHANGES_COMMIT_PATCH_H_

#include <vector>

#include "absl/status/statusor.h"
#include "base/clock.h"
#include "changes/change.h"
#include "changes/patch_writer.h"

namespace glovebox {

// As WritePatch, when the lower layers below layers.root are a checkout of a commit: an empty
// directory there is a submodule, so what was put into one or in its place is skipped
// (kEmptyDirectory).
absl::StatusOr<PatchSummary> WriteCommitPatch(const Layers& layers,
                                              const std::vector<Change>& changes,
                                              const PatchLimits& limits, const Clock& clock,
                                              PatchSink sink);

}  // namespace glovebox

#endif  // GLOVEBOX_CHANGES_COMMIT_PATCH_H_
