// Which file or directory of the host a client names as the source of an import.
#ifndef GLOVEBOX_SNAPSHOT_IMPORT_SOURCE_H_
#define GLOVEBOX_SNAPSHOT_IMPORT_SOURCE_H_

#include <functional>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "base/unique_fd.h"

namespace glovebox {

struct ImportSource {
  std::string path;  // canonical: no symbolic link, "." or ".." in it
  bool is_directory = false;
  // SHA-256 over path, device and inode, as 64 hex digits: two sources never share it at one time,
  // so what one holds is never served for the other.
  std::string key;
  // O_PATH. The path may lead elsewhere by the time it is used; this does not.
  std::shared_ptr<const UniqueFd> pinned = nullptr;
};

// Whether a client may import from this path, which is an ImportSource's.
using SourcePolicy = std::function<absl::Status(const std::string& path)>;

// Opens `path` with O_PATH and asks what it is; reads nothing of it. `allowed` is asked about what
// was opened, whatever the path leads to by then; null: everything is. INVALID_ARGUMENT with reason
// PATH_INVALID when it is not absolute, over 4095 bytes, or not printable; NOT_FOUND with
// `reason_missing` when there is no file or directory; FAILED_PRECONDITION with reason
// PATH_NOT_SUPPORTED when it is of another type.
absl::StatusOr<ImportSource> IdentifySource(const std::string& path,
                                            absl::string_view reason_missing,
                                            const SourcePolicy& allowed = nullptr);

// A branch, tag or commit id, to be given to git as one argument: 1 to 250 bytes of printable UTF-8
// that cannot be read as an option, a range, a path or a search. "" becomes "HEAD".
// INVALID_ARGUMENT with reason REVISION_INVALID.
absl::StatusOr<std::string> ParseRevision(absl::string_view text);

}  // namespace glovebox

#endif  // GLOVEBOX_SNAPSHOT_IMPORT_SOURCE_H_
