// The stack of the upper scan: one frame per directory on the way from the root of the walk to
// where it is. Memory follows the names still to visit; descriptors are kept for the root and the
// innermost frames only, and are opened again from above when the walk comes back, so depth costs
// no descriptors.
#ifndef GLOVEBOX_CHANGES_SCAN_STACK_H_
#define GLOVEBOX_CHANGES_SCAN_STACK_H_

#include <sys/types.h>

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "base/unique_fd.h"
#include "changes/budget.h"
#include "changes/layer_view.h"
#include "changes/upper_scan.h"

namespace glovebox {

inline constexpr absl::string_view kScanLimitReason = "TOO_MANY_CHANGES";

struct ScanBudget {
  ScanBudget(const ScanLimits& limits, const Clock& clock)
      : entries(kScanLimitReason, "entries", limits.entries_max),
        memory(kScanLimitReason, "memory_bytes", limits.memory_bytes_max),
        compare(kScanLimitReason, "compare_bytes", limits.compare_bytes_max),
        time(kScanLimitReason, limits.time_ms_max, clock),
        depth_max(limits.depth_max),
        path_bytes_max(limits.path_bytes_max) {}
  Allowance entries;
  Allowance memory;
  Allowance compare;
  TimeAllowance time;
  uint64_t depth_max;
  uint64_t path_bytes_max;
};

// ABORTED, reason FILE_KEPT_CHANGING.
absl::Status ChangedDuringScan(absl::string_view path);

// True for what a step on the upper returns when the tree changed between two system calls.
bool IsRace(const absl::Status& status);

struct ScanFrame {
  std::string name;           // the last component; empty for the root of the walk
  bool has_upper = false;     // false: the directory is gone, all that it had is deleted
  bool has_old = false;       // the lowers have this directory
  bool hides_lowers = false;  // opaque, or below an opaque one
  bool is_empty = true;       // no entry seen: in the upper, or in the lowers when it is gone
  dev_t device = 0;           // of the upper directory, to know it again
  ino_t inode = 0;
  UniqueFd upper;  // the two descriptor holders are empty while the frame is closed
  LayerView old;
  bool is_open = true;
  std::vector<std::string> names;  // sorted; those from `next` on are still to be visited
  size_t next = 0;
  uint64_t names_bytes = 0;  // what they were charged
  size_t path_size = 0;      // length of the path of the directory that holds this one
};

class ScanStack {
 public:
  explicit ScanStack(ScanBudget& budget) : budget_(budget) {}

  bool empty() const { return frames_.empty(); }
  size_t depth() const { return frames_.size(); }
  ScanFrame& top() { return frames_.back(); }

  // Reads the directory's names and makes it the top.
  absl::Status Push(ScanFrame frame);
  // The same for a directory that only the lowers have.
  absl::Status PushDeleted(const std::string& name, std::vector<LayerView::Part> parts);
  ScanFrame Pop();
  // Makes the top's descriptors valid. ABORTED when its directory is not where it was.
  absl::Status OpenTop();
  // Of an entry of the top.
  std::string PathOf(absl::string_view name) const;

 private:
  absl::Status ReadNames(ScanFrame* frame);
  absl::Status OpenFrame(size_t index);
  void CloseFarFrames();

  ScanBudget& budget_;
  std::vector<ScanFrame> frames_;
  std::string path_;  // of the top, relative to the root of the walk
};

}  // namespace glovebox

#endif  // GLOVEBOX_CHANGES_SCAN_STACK_H_
