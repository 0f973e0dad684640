#include "changes/patch_obstacles.h"

#include <climits>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/string_view.h"
#include "base/status.h"
#include "changes/path_quote.h"

namespace glovebox {

bool HasRefusedName(const std::string& path, bool is_symlink) {
  return path.size() >= PATH_MAX || RefusedByGit(path, is_symlink);
}

namespace {

absl::StatusOr<bool> IsEmpty(const LayerView& directory) {
  bool empty = true;
  const absl::Status listed = directory.ForEachCandidate([&](absl::string_view name) {
    ASSIGN_OR_RETURN(const LayerView::Entry entry, directory.Lookup(std::string(name)));
    if (entry.kind == LayerView::Entry::Kind::kAbsent) return absl::OkStatus();
    empty = false;
    return absl::CancelledError("one is enough");
  });
  if (!listed.ok() && empty) return listed;
  return empty;
}

}  // namespace

absl::StatusOr<PatchObstacles> PatchObstacles::Find(const Layers& layers, bool of_commit,
                                                    const std::vector<Change>& changes,
                                                    const PatchLimits& limits) {
  PatchObstacles obstacles;
  obstacles.of_commit_ = of_commit;
  for (const Change& change : changes) obstacles.Keep(change, limits);
  if (!of_commit) return obstacles;
  ASSIGN_OR_RETURN(obstacles.base_, LayerView::OfRoots(layers.lower_fds));
  for (const absl::string_view part : absl::StrSplit(layers.root, '/', absl::SkipEmpty())) {
    ASSIGN_OR_RETURN(LayerView::Entry entry, obstacles.base_.Lookup(std::string(part)));
    obstacles.base_ = LayerView(std::move(entry.parts));
  }
  return obstacles;
}

// The size of an old side is that of its layer, which never changes.
void PatchObstacles::Keep(const Change& change, const PatchLimits& limits) {
  const bool moved = change.letter == ChangeLetter::kRenamed;
  // In place of anything else there is a file, and nothing below.
  if (!moved && change.letter != ChangeLetter::kDeleted) return;
  const std::string& path = moved ? change.old_path : change.path;
  if (change.old_mode == kModeDirectory) {
    if (of_commit_) kept_.emplace(path, Obstacle{SkipReason::kEmptyDirectory, 0});
  } else if (IsRegularMode(change.old_mode) && change.old_size_bytes > limits.file_bytes_max) {
    kept_.emplace(path, Obstacle{SkipReason::kTooLarge, change.old_size_bytes});
  } else if (HasRefusedName(path, change.old_mode == kModeSymlink)) {
    kept_.emplace(path, Obstacle{SkipReason::kRefusedByGit, 0});
  }
}

const PatchObstacles::Obstacle* PatchObstacles::OfKept(const std::string& path) const {
  if (kept_.empty()) return nullptr;
  for (size_t end = path.find('/');; end = path.find('/', end + 1)) {
    const auto above = kept_.find(path.substr(0, end));
    if (above != kept_.end()) return &above->second;
    if (end == std::string::npos) break;
  }
  const std::string below = absl::StrCat(path, "/");
  const auto next = kept_.lower_bound(below);
  if (next == kept_.end() || !absl::StartsWith(next->first, below)) return nullptr;
  return &next->second;
}

// True when the deepest directory that the base has on the way to `directory` is empty there.
absl::StatusOr<bool> PatchObstacles::EndsInEmptyDirectory(const std::string& directory,
                                                          const TimeAllowance& time) const {
  LayerView deepest;
  const LayerView* at = &base_;
  for (const absl::string_view part : absl::StrSplit(directory, '/')) {
    RETURN_IF_ERROR(time.Check(directory));
    ASSIGN_OR_RETURN(LayerView::Entry entry, at->Lookup(std::string(part)));
    if (entry.kind != LayerView::Entry::Kind::kDirectory) break;
    deepest = LayerView(std::move(entry.parts));
    at = &deepest;
  }
  // The root of an empty commit is no submodule.
  if (at == &base_) return false;
  return IsEmpty(deepest);
}

absl::StatusOr<bool> PatchObstacles::IsBelowSubmodule(const std::string& path,
                                                      const TimeAllowance& time) {
  const size_t slash = path.rfind('/');
  if (!of_commit_ || slash == std::string::npos) return false;
  std::string directory = path.substr(0, slash);
  if (directory != last_directory_) {
    ASSIGN_OR_RETURN(last_answer_, EndsInEmptyDirectory(directory, time));
    last_directory_ = std::move(directory);
  }
  return last_answer_;
}

absl::StatusOr<std::optional<SkippedEntry>> PatchObstacles::Against(const Change& change,
                                                                    const TimeAllowance& time) {
  std::optional<SkippedEntry> skipped;
  // Where the base has a file at the same path there is nothing above or below it.
  const bool is_new =
      change.letter == ChangeLetter::kAdded || change.letter == ChangeLetter::kRenamed;
  if (!is_new) return skipped;
  if (const Obstacle* obstacle = OfKept(change.path); obstacle != nullptr) {
    skipped = SkippedEntry{change.path, obstacle->reason, obstacle->size_bytes};
    return skipped;
  }
  ASSIGN_OR_RETURN(const bool below, IsBelowSubmodule(change.path, time));
  if (below) skipped = SkippedEntry{change.path, SkipReason::kEmptyDirectory, 0};
  return skipped;
}

}  // namespace glovebox
