#include "changes/layer_roots.h"

#include <string>
#include <utility>

#include "base/status.h"
#include "linux/open_beneath.h"

namespace glovebox {
namespace {

absl::StatusOr<UniqueFd> OpenRoot(int layer_fd, const std::string& root) {
  auto dir = OpenDirectoryBeneath(layer_fd, root.empty() ? "." : root);
  if (dir.ok()) return std::move(dir->fd);
  // Absent or whited out in this layer.
  if (absl::IsNotFound(dir.status()) || absl::IsFailedPrecondition(dir.status())) return UniqueFd();
  return dir.status();
}

}  // namespace

absl::StatusOr<LayerRoots> LayerRoots::Open(const Layers& layers) {
  LayerRoots roots;
  ASSIGN_OR_RETURN(roots.upper, OpenRoot(layers.upper_fd, layers.root));
  for (int layer_fd : layers.lower_fds) {
    ASSIGN_OR_RETURN(UniqueFd root, OpenRoot(layer_fd, layers.root));
    roots.lowers.push_back(std::move(root));
  }
  return roots;
}

absl::StatusOr<int> LayerRoots::OldRoot(const Change& change) const {
  if (change.old_layer < lowers.size()) return lowers[change.old_layer].get();
  return absl::InvalidArgumentError("a change names a lower layer that was not given");
}

bool IsEntryGone(const absl::Status& status) {
  if (absl::IsNotFound(status)) return true;
  if (!absl::IsFailedPrecondition(status)) return false;
  const auto detail = GetErrorDetail(status);
  return !detail.has_value() || detail->reason != "OVERLAY_FEATURE";
}

}  // namespace glovebox
