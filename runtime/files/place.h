// Paths of a sandbox as its user has them, and what the kernel says of them, as typed errors.
//
// Everything here runs inside the sandbox: its root ends every path, its permissions hold. Magic
// links (/proc/PID/fd/N) are not followed, and nothing but regular files and directories is ever
// opened for more than looking: a FIFO, a device or a lease notices nothing.
#ifndef GLOVEBOX_FILES_PLACE_H_
#define GLOVEBOX_FILES_PLACE_H_

#include <sys/stat.h>

#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "base/unique_fd.h"

namespace glovebox {

// An errno as the services' errors have it: PATH_NOT_FOUND, PATH_NOT_PERMITTED, DISK_FULL, ... with
// metadata `path`.
absl::Status PathError(int error, absl::string_view what, absl::string_view path);
absl::Status PathRefused(absl::StatusCode code, absl::string_view reason, absl::string_view path,
                         absl::string_view why);

// A directory and a name in it, which need not be there.
struct Place {
  UniqueFd directory;
  std::string name;  // never "", "." or ".."; "." for a root or the like, which has no name
  std::string path;  // as asked for
  // A slash is behind it: what is there is a directory, and so must be what comes there.
  bool of_directory = false;
};

// `follow`: of a last component that is a symbolic link, the place that it leads to.
// `make_parents`: directories that are missing are made, with mode 0777 less the umask.
// NOT_A_DIRECTORY when a slash is behind something else, so also behind a link that is not
// followed.
absl::StatusOr<Place> FindPlace(absl::string_view path, bool follow, bool make_parents = false);

// lstat; nullopt: nothing is there.
absl::StatusOr<std::optional<struct stat>> Look(const Place& place);
// PATH_NOT_FOUND when nothing is there.
absl::StatusOr<struct stat> MustLook(const Place& place);

struct OpenFile {
  UniqueFd fd;
  struct stat stat {};
};
// The very file that is there, for reading. NOT_A_FILE for what is no regular file.
absl::StatusOr<OpenFile> OpenForReading(const Place& place);
// NOT_A_DIRECTORY.
absl::StatusOr<UniqueFd> OpenDirectory(const Place& place);

// The same content, by type, size and time of change: overlayfs gives a file of a lower layer
// another inode number when it is first moved or written.
bool SameContent(const struct stat& a, const struct stat& b);
inline bool SameFile(const struct stat& a, const struct stat& b) {
  return a.st_dev == b.st_dev && a.st_ino == b.st_ino;
}

absl::StatusOr<std::string> ReadLinkAt(int directory, const std::string& name,
                                       absl::string_view path);

// FileInfo of file.proto. `target`: of a symbolic link.
std::string EncodeInfo(absl::string_view path, const struct stat& stat,
                       const std::optional<std::string>& target);

}  // namespace glovebox

#endif  // GLOVEBOX_FILES_PLACE_H_
