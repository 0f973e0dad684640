// A directory of this run of the program, below TMPDIR or /tmp, for its user alone.
#ifndef GLOVEBOX_TOOLS_SCRATCH_DIRECTORY_H_
#define GLOVEBOX_TOOLS_SCRATCH_DIRECTORY_H_

#include <sys/types.h>

#include <memory>
#include <string>
#include <utility>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "base/unique_fd.h"

namespace glovebox {

// Removed with what is in it, also when this program is killed: by a process that waits for that.
class ScratchDirectory {
 public:
  // `name` is a part of its name.
  static absl::StatusOr<std::unique_ptr<ScratchDirectory>> Make(absl::string_view name);
  ScratchDirectory(const ScratchDirectory&) = delete;
  ScratchDirectory& operator=(const ScratchDirectory&) = delete;
  // Returns when it is gone.
  ~ScratchDirectory();

  const std::string& path() const { return path_; }
  // A program that has it too is waited for before anything is removed.
  int alive_fd() const { return alive_.get(); }

 private:
  ScratchDirectory(std::string path, UniqueFd alive, pid_t remover)
      : path_(std::move(path)), alive_(std::move(alive)), remover_(remover) {}

  const std::string path_;
  UniqueFd alive_;
  const pid_t remover_;
};

}  // namespace glovebox

#endif  // GLOVEBOX_TOOLS_SCRATCH_DIRECTORY_H_
