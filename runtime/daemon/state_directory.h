// The daemon's directories: one daemon at a time has them, nobody else can look into them.
#ifndef GLOVEBOX_DAEMON_STATE_DIRECTORY_H_
#define GLOVEBOX_DAEMON_STATE_DIRECTORY_H_

#include <string>

#include "absl/status/statusor.h"
#include "base/unique_fd.h"

namespace glovebox {

// Locked for as long as this object lives; the lock goes with the process, however it ends.
class StateDirectory {
 public:
  // Makes `path` (parents included) with mode 0700 and locks it. FAILED_PRECONDITION with reason
  // STATE_DIR_IN_USE when another daemon has it.
  static absl::StatusOr<StateDirectory> Open(const std::string& path);

  const std::string& path() const { return path_; }
  std::string Below(const std::string& name) const { return path_ + "/" + name; }
  // 16 hex digits, made once and kept in the file `instance`: the name of this state directory in
  // cgroups, run directories and host ids.
  const std::string& instance() const { return instance_; }

 private:
  StateDirectory(std::string path, std::string instance, UniqueFd lock);
  std::string path_;
  std::string instance_;
  UniqueFd lock_;
};

// mkdir -p with `mode` for what is made; the last one gets the mode in any case.
absl::Status MakeDirectories(const std::string& path, unsigned mode);

}  // namespace glovebox

#endif  // GLOVEBOX_DAEMON_STATE_DIRECTORY_H_
