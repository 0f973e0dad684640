// Where the walk of a sandbox's layers starts, opened in each of them.
#ifndef GLOVEBOX_CHANGES_LAYER_ROOTS_H_
#define GLOVEBOX_CHANGES_LAYER_ROOTS_H_

#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/unique_fd.h"
#include "changes/change.h"

namespace glovebox {

struct LayerRoots {
  UniqueFd upper;                // invalid when the upper has no such directory
  std::vector<UniqueFd> lowers;  // as Layers::lower_fds; the same

  static absl::StatusOr<LayerRoots> Open(const Layers& layers);
  // Of the layer that has the old side of `change`; -1: it has no such directory any more.
  // INVALID_ARGUMENT for a layer that is not there.
  absl::StatusOr<int> OldRoot(const Change& change) const;
};

// Whether a step below a root failed because the entry is gone or another now: what a scan found
// is not there any more. A metacopy, which overlayfs does not let a payload set, is not of these.
bool IsEntryGone(const absl::Status& status);

}  // namespace glovebox

#endif  // GLOVEBOX_CHANGES_LAYER_ROOTS_H_
