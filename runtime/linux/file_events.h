// Hints that something on one file system was written, made, moved or removed (fanotify). Only
// that, not what: the kernel drops events when too many wait, writes through a mapping make none
// before the file is closed, and kernels before 6.5 make none for files that an overlay has copied
// up already. No file is opened and no name is looked at.
#ifndef GLOVEBOX_LINUX_FILE_EVENTS_H_
#define GLOVEBOX_LINUX_FILE_EVENTS_H_

#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "base/unique_fd.h"

namespace glovebox {

// Not thread-safe, but for fd().
class FileEvents {
 public:
  // Of the whole file system that `directory_fd` is on, whoever works on it through whichever
  // mount. Needs CAP_SYS_ADMIN in the first user namespace. RESOURCE_EXHAUSTED: this user has as
  // many groups as fs.fanotify.max_user_groups allows.
  static absl::StatusOr<FileEvents> Open(int directory_fd);

  // Whether Open may work at all on this host: the same errors.
  static absl::Status Probe();

  // Readable while events wait. Does not keep the file system mounted.
  int fd() const { return group_.get(); }

  // Takes what waits; whether there was anything.
  absl::StatusOr<bool> Drain();

  // Whether this kernel, or the one of this release, tells of every write that closes a file.
  static bool TellsOverlayWrites();
  static bool TellsOverlayWrites(absl::string_view release);

 private:
  explicit FileEvents(UniqueFd group) : group_(std::move(group)) {}

  UniqueFd group_;
};

}  // namespace glovebox

#endif  // GLOVEBOX_LINUX_FILE_EVENTS_H_
