// What an entry that a patch does not touch makes impossible: git keeps neither anything below a
// file or a submodule nor anything in place of a directory that still has a file, and refuses the
// whole patch that adds it.
#ifndef GLOVEBOX_CHANGES_PATCH_OBSTACLES_H_
#define GLOVEBOX_CHANGES_PATCH_OBSTACLES_H_

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "changes/budget.h"
#include "changes/change.h"
#include "changes/layer_view.h"
#include "changes/patch_writer.h"

namespace glovebox {

// That git apply does not take.
bool HasRefusedName(const std::string& path, bool is_symlink);

class PatchObstacles {
 public:
  // `of_commit`: the base is as in commit_patch.h.
  static absl::StatusOr<PatchObstacles> Find(const Layers& layers, bool of_commit,
                                             const std::vector<Change>& changes,
                                             const PatchLimits& limits);

  // Why the new side of `change` cannot be in the patch; its path is the change's.
  absl::StatusOr<std::optional<SkippedEntry>> Against(const Change& change,
                                                      const TimeAllowance& time);

 private:
  struct Obstacle {
    SkipReason reason;
    uint64_t size_bytes;
  };
  void Keep(const Change& change, const PatchLimits& limits);
  const Obstacle* OfKept(const std::string& path) const;
  absl::StatusOr<bool> IsBelowSubmodule(const std::string& path, const TimeAllowance& time);
  absl::StatusOr<bool> EndsInEmptyDirectory(const std::string& directory,
                                            const TimeAllowance& time) const;

  bool of_commit_ = false;
  LayerView base_;                        // with of_commit_
  std::map<std::string, Obstacle> kept_;  // old sides that the patch leaves where they are
  std::string last_directory_;            // what was looked at last, for its neighbours
  bool last_answer_ = false;
};

}  // namespace glovebox

#endif  // GLOVEBOX_CHANGES_PATCH_OBSTACLES_H_
