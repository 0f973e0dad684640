#include "changes/base_side.h"

#include "base/status.h"
#include "changes/layer_roots.h"
#include "linux/open_beneath.h"

namespace glovebox {

absl::StatusOr<BaseSide> ReadBaseSide(const Layers& layers, const ListedChange& listed, bool hash) {
  BaseSide side;
  const bool link = listed.change.new_mode == kModeSymlink;
  if (!link && !(hash && IsRegularMode(listed.change.new_mode))) return side;
  ASSIGN_OR_RETURN(const LayerRoots roots, LayerRoots::Open(layers));
  if (listed.base_layer >= roots.lowers.size()) {
    return absl::InternalError("a journal names a layer that the sandbox does not have");
  }
  const int root = roots.lowers[listed.base_layer].get();
  if (link) {
    ASSIGN_OR_RETURN(const OpenedFile pinned, PinBeneath(root, listed.change.path));
    ASSIGN_OR_RETURN(side.symlink_target, ReadPinnedLink(pinned));
    return side;
  }
  ASSIGN_OR_RETURN(const OpenedFile file, OpenRegularBeneath(root, listed.change.path));
  side.content.fingerprint = FingerprintOf(file.stat);
  uint64_t bytes_read = 0;
  RETURN_IF_ERROR(HashContent(file, &side.content, &bytes_read));
  return side;
}

}  // namespace glovebox
