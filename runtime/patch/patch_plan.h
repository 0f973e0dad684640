// What a patch makes of a tree: computed as a whole before anything is changed.
#ifndef GLOVEBOX_PATCH_PATCH_PLAN_H_
#define GLOVEBOX_PATCH_PATCH_PLAN_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "patch/hunk_match.h"
#include "patch/patch.h"

namespace glovebox {

inline constexpr size_t kPatchHunksMax = 20'000;
// Of everything that a patch makes, held at once.
inline constexpr uint64_t kPatchedBytesMax = uint64_t{256} << 20;

// A path as it is, or as it is to be.
struct PatchedEntry {
  enum class Kind { kFile, kLink, kDirectory, kOther };
  Kind kind = Kind::kFile;
  uint32_t mode = 0644;  // permission bits
  std::string content;   // of a file, or the target of a link
  friend bool operator==(const PatchedEntry&, const PatchedEntry&) = default;
};

// The tree that is patched.
class TreeView {
 public:
  virtual ~TreeView() = default;
  // nullopt: nothing is there. The content of a directory or other file is "".
  // FAILED_PRECONDITION with reason PATH_NOT_BENEATH, and in metadata `link` the path of a symbolic
  // link that is among the directories above.
  virtual absl::StatusOr<std::optional<PatchedEntry>> Read(const std::string& path) = 0;
};

struct PlannedChange {
  std::string path;
  std::optional<PatchedEntry> before, after;  // at least one is there, and they differ
  std::string renamed_from;                   // "": not renamed
};

struct PatchPlan {
  std::vector<HunkReport> hunks;
  std::vector<PlannedChange> changes;  // in byte order of the path
};

struct PlanOptions {
  uint32_t fuzz_lines_max = 0;
  // Hunks that do not fit are only in the reports; the changes are then those of the other files.
  bool reports_misfits = false;
};

// FAILED_PRECONDITION: PATCH_DOES_NOT_APPLY with metadata `path` and, of a hunk, `hunk`, `line` (of
// the nearest match, when there is one) and `patch_line`; errors of the view; PATCH_LIMIT.
absl::StatusOr<PatchPlan> PlanPatch(const std::vector<FilePatch>& patch, TreeView* tree,
                                    const PlanOptions& options);

}  // namespace glovebox

#endif  // GLOVEBOX_PATCH_PATCH_PLAN_H_
