// One directory as a stack of lower layers shows it, by overlayfs's rules: the uppermost entry of a
// name hides the others, a whiteout hides the name, directories merge down to an opaque one.
// The layers are immutable; every step is one component by descriptor.
#ifndef GLOVEBOX_CHANGES_LAYER_VIEW_H_
#define GLOVEBOX_CHANGES_LAYER_VIEW_H_

#include <sys/stat.h>

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "base/unique_fd.h"

namespace glovebox {

// What overlayfs's attributes say of an open directory. FAILED_PRECONDITION, reason
// OVERLAY_FEATURE, when it was made with redirect_dir.
absl::StatusOr<bool> IsOpaque(int dir_fd);

// True for both kinds of whiteout. `dir_fd` and `name` are where `stat` was taken; an empty regular
// file is opened to look for the attribute.
absl::StatusOr<bool> IsWhiteout(int dir_fd, const std::string& name, const struct stat& stat);

// FAILED_PRECONDITION, reason OVERLAY_FEATURE, when the open file has no data of its own
// (metacopy).
absl::Status RefuseMetacopy(int fd);

// fstatat of one component without following it; false when there is no such name.
absl::StatusOr<bool> StatEntry(int dir_fd, const std::string& name, struct stat* stat);

class LayerView {
 public:
  struct Part {
    uint32_t layer = 0;  // index into Layers::lower_fds
    UniqueFd fd;
  };
  struct Entry {
    enum class Kind { kAbsent, kOther, kDirectory } kind = Kind::kAbsent;
    struct stat stat {};      // of kOther
    uint32_t layer = 0;       // of kOther
    int dir_fd = -1;          // of kOther: the directory of that layer, borrowed from the view
    std::vector<Part> parts;  // of kDirectory, uppermost first
  };

  LayerView() = default;
  explicit LayerView(std::vector<Part> parts) : parts_(std::move(parts)) {}
  // Duplicates of `lower_fds`, cut below the first opaque one.
  static absl::StatusOr<LayerView> OfRoots(const std::vector<int>& lower_fds);

  bool empty() const { return parts_.empty(); }
  size_t size() const { return parts_.size(); }
  absl::StatusOr<Entry> Lookup(const std::string& name) const;
  // Every name in any layer, repeated ones and whiteouts included.
  absl::Status ForEachCandidate(absl::FunctionRef<absl::Status(absl::string_view)> visit) const;

 private:
  std::vector<Part> parts_;
};

}  // namespace glovebox

#endif  // GLOVEBOX_CHANGES_LAYER_VIEW_H_
