// Small files of our own (cgroup knobs, /proc, state files). Not for paths that a sandbox can
// influence: those go through open_beneath.h.
#ifndef GLOVEBOX_LINUX_FILE_IO_H_
#define GLOVEBOX_LINUX_FILE_IO_H_

#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "base/unique_fd.h"

namespace glovebox {

// open(2) with O_CLOEXEC added. `directory_fd` may be AT_FDCWD.
absl::StatusOr<UniqueFd> OpenAt(int directory_fd, const std::string& path, int flags,
                                unsigned mode = 0);

// The whole file; OUT_OF_RANGE when it is longer than `bytes_max`.
absl::StatusOr<std::string> ReadFileAt(int directory_fd, const std::string& path, size_t bytes_max);

// Opens an existing file and writes `content` in one write(2), as kernel files want it.
absl::Status WriteKernelFileAt(int directory_fd, const std::string& path,
                               absl::string_view content);

// Writes all bytes, going on after short writes and EINTR.
absl::Status WriteAll(int fd, absl::string_view bytes);

// mkdir(2); an existing directory is fine.
absl::Status MakeDirectoryAt(int directory_fd, const std::string& path, unsigned mode);

// Removes a tree that only this daemon wrote; descends by descriptors, never through symlinks or
// mounts. A missing tree is fine.
absl::Status RemoveTreeAt(int directory_fd, const std::string& path);

}  // namespace glovebox

#endif  // GLOVEBOX_LINUX_FILE_IO_H_
