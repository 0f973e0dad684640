// What the journal does not keep of a path that is back as in the base.
#ifndef GLOVEBOX_CHANGES_BASE_SIDE_H_
#define GLOVEBOX_CHANGES_BASE_SIDE_H_

#include <string>

#include "absl/status/statusor.h"
#include "changes/change.h"
#include "changes/content.h"
#include "changes/journal_history.h"

namespace glovebox {

struct BaseSide {
  std::string symlink_target;  // of a symbolic link
  Content content;             // of a regular file, hashed unless it is too long
};

// Of the layer that `listed` names; the layers never change, so it is there. Files are read only
// with `hash`.
absl::StatusOr<BaseSide> ReadBaseSide(const Layers& layers, const ListedChange& listed, bool hash);

}  // namespace glovebox

#endif  // GLOVEBOX_CHANGES_BASE_SIDE_H_
