// Which of several sandboxes of one base agree on what they made of a path.
#ifndef GLOVEBOX_CHANGES_VERSION_MATRIX_H_
#define GLOVEBOX_CHANGES_VERSION_MATRIX_H_

#include <array>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "base/clock.h"
#include "changes/budget.h"
#include "changes/change.h"

namespace glovebox {

struct CompareLimits {
  // A larger file is equal to none, and is not read.
  uint64_t file_bytes_max = uint64_t{256} << 20;
  uint64_t read_bytes_max = uint64_t{16} << 30;  // of all files of all sandboxes
  int64_t time_ms_max = 300'000;                 // since the matrix was made
};

// Keeps the first `paths_max` paths in byte order: memory follows that and the number of sandboxes,
// not what changed in them, and only files of paths that are kept are read. One thread.
class VersionMatrix {
 public:
  struct Row {
    std::string path;
    std::vector<uint32_t> versions;  // one per sandbox: 0 unchanged, else equal for equal
  };

  VersionMatrix(size_t sandboxes, size_t paths_max, const CompareLimits& limits,
                const Clock& clock);

  // What `sandbox` (counted from 0, each once, in order) changed: ScanUpper's result for `layers`.
  // Equal are type, git's mode and content; a symbolic link's target; for other types the type
  // alone. What changes while it is read, and what cannot be read, is equal to nothing.
  // RESOURCE_EXHAUSTED, reason TOO_MANY_CHANGES, metadata limit (read_bytes, time_ms), max, path.
  absl::Status Add(size_t sandbox, const Layers& layers, const std::vector<Change>& changes);

  // What comes before Add is on the same account. Errors as of Add.
  absl::Status CheckTime() const { return time_.Check(""); }
  absl::Status ChargeRead(uint64_t bytes) { return read_.Take(bytes, ""); }
  int64_t ms_left() const;  // not above 0: CheckTime fails, or is about to
  uint64_t read_bytes_left() const { return limits_.read_bytes_max - read_.used(); }

  bool cut() const { return cut_; }  // there were more paths
  std::vector<Row> Take();           // in byte order; at the end

 private:
  using Digest = std::array<uint8_t, 32>;
  struct Path {
    std::vector<uint32_t> versions;
    std::map<Digest, uint32_t> numbers;
    uint32_t next = 1;
  };
  // Null: beyond what is kept.
  Path* Keep(const std::string& path);
  absl::Status Describe(size_t sandbox, int upper_fd, const Change& change, std::string* what);

  const size_t sandboxes_;
  const size_t paths_max_;
  const CompareLimits limits_;
  const Clock& clock_;
  const int64_t begin_ns_;
  Allowance read_;
  TimeAllowance time_;
  std::map<std::string, Path> paths_;
  bool cut_ = false;
};

}  // namespace glovebox

#endif  // GLOVEBOX_CHANGES_VERSION_MATRIX_H_
