// The host's way to files that a payload can change while we look: always (directory descriptor,
// relative path), never a joined host path.
//
// Theory. openat2(2) resolves with RESOLVE_BENEATH | NO_SYMLINKS | NO_MAGICLINKS | NO_XDEV, so no
// component can lead out, through a link or onto another mount. The first open is O_PATH: it has
// no side effect on a FIFO, a device or a lease. fstat on that descriptor decides; only a regular
// file or a directory is then opened for reading, and it is that very inode that is opened (through
// /proc/self/fd for files, "." for directories), so nothing can be swapped in between. The result
// is compared by device and inode number all the same. Every open has O_NONBLOCK | O_NOCTTY |
// O_CLOEXEC.
//
// Paths are bytes, at most 4,095 of them; "." names the directory itself. Errors are those of
// ErrnoError (ENOENT is NOT_FOUND; ELOOP, EXDEV, ENOTDIR mean that the path met a link, a mount or
// a non-directory and are FAILED_PRECONDITION with reason PATH_NOT_BENEATH), or as stated below.
// All functions are thread-safe; descriptors are borrowed unless a UniqueFd says otherwise.
#ifndef GLOVEBOX_LINUX_OPEN_BENEATH_H_
#define GLOVEBOX_LINUX_OPEN_BENEATH_H_

#include <sys/stat.h>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "base/unique_fd.h"

namespace glovebox {

// A descriptor and what fstat said of it.
struct OpenedFile {
  UniqueFd fd;
  struct stat stat {};
};

// An O_PATH descriptor for whatever `path` names, of any type; a symbolic link is not followed.
absl::StatusOr<OpenedFile> PinBeneath(int dir_fd, absl::string_view path);

// Opens the pinned inode for reading. FAILED_PRECONDITION with reason NOT_A_FILE_OR_DIRECTORY for
// any other type, without opening it.
absl::StatusOr<OpenedFile> OpenPinned(const OpenedFile& pinned);

// PinBeneath and OpenPinned; FAILED_PRECONDITION with reason NOT_A_REGULAR_FILE (NOT_A_DIRECTORY)
// when `path` names something else.
absl::StatusOr<OpenedFile> OpenRegularBeneath(int dir_fd, absl::string_view path);
absl::StatusOr<OpenedFile> OpenDirectoryBeneath(int dir_fd, absl::string_view path);

// The target of a pinned symbolic link; FAILED_PRECONDITION with reason NOT_A_SYMLINK otherwise.
absl::StatusOr<std::string> ReadPinnedLink(const OpenedFile& pinned);

// Reads up to `size` bytes at `offset`; fewer only at the end of the file.
absl::StatusOr<size_t> ReadAt(int fd, uint64_t offset, char* buffer, size_t size);

// The whole file as it is while being read. RESOURCE_EXHAUSTED with reason FILE_TOO_LARGE when it
// has more than `bytes_max`; never holds more than bytes_max + 1 bytes.
absl::StatusOr<std::string> ReadWhole(int fd, uint64_t bytes_max);

// An extended attribute of an open (not O_PATH) file; nullopt when it is absent or the file system
// has none. RESOURCE_EXHAUSTED when it is longer than 4,096 bytes.
absl::StatusOr<std::optional<std::string>> GetXattr(int fd, const char* name);

// Calls `visit` with each name in the open directory but "." and "..", in the order of the file
// system, from the start. A status from `visit` ends the walk and is returned.
absl::Status ForEachName(int dir_fd, absl::FunctionRef<absl::Status(absl::string_view)> visit);

}  // namespace glovebox

#endif  // GLOVEBOX_LINUX_OPEN_BENEATH_H_
