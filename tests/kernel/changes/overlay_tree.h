// Directories of the test's own for a real overlay, mounted as sandboxes mount it (userxattr), in a
// mount namespace of this process.
#ifndef GLOVEBOX_TESTS_KERNEL_CHANGES_OVERLAY_TREE_H_
#define GLOVEBOX_TESTS_KERNEL_CHANGES_OVERLAY_TREE_H_

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "base/unique_fd.h"
#include "changes/patch_writer.h"
#include "changes/renames.h"
#include "changes/upper_scan.h"

namespace glovebox {

// Gives this process a private mount namespace once; false without the privilege.
bool EnterPrivateMounts();

class OverlayTree {
 public:
  OverlayTree();
  ~OverlayTree();
  OverlayTree(const OverlayTree&) = delete;
  OverlayTree& operator=(const OverlayTree&) = delete;

  // Stacks the directories mounted so far as lowers below a fresh upper and mounts that. The first
  // call's only lower is Path("base").
  void Mount();
  // Where the payload works: "workspace" in the merged view.
  std::string Work() const { return Path("merged/workspace"); }
  std::string Path(const std::string& relative) const { return root_ + "/" + relative; }

  // The directories, open as long as `owned`.
  Layers Open(std::vector<UniqueFd>* owned) const;
  absl::StatusOr<ScanResult> Scan(const ScanOptions& options = {}) const;
  absl::StatusOr<RenameResult> FindRenames(std::vector<Change> changes) const;
  absl::StatusOr<PatchSummary> WritePatch(const std::vector<Change>& changes,
                                          const PatchLimits& limits, std::string* patch) const;

 private:
  std::string root_;
  std::vector<std::string> lowers_;  // uppermost first
  std::string upper_;
  bool mounted_ = false;
};

}  // namespace glovebox

#endif  // GLOVEBOX_TESTS_KERNEL_CHANGES_OVERLAY_TREE_H_
