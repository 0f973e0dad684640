#include "sandbox/egress_bytes.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

#include "absl/strings/str_cat.h"
#include "base/flat_bytes.h"
#include "base/status.h"
#include "egress/egress_wire.h"
#include "linux/file_io.h"

namespace glovebox {

absl::StatusOr<UniqueFd> OpenEgressBytes(const std::string& path) {
  ASSIGN_OR_RETURN(UniqueFd file, OpenAt(AT_FDCWD, path, O_RDWR | O_CREAT | O_NOFOLLOW, 0600));
  struct stat status {};
  if (::fstat(file.get(), &status) != 0) return ErrnoError(errno, absl::StrCat("fstat ", path));
  if (status.st_size >= static_cast<off_t>(sizeof(EgressBytes))) return file;
  if (::ftruncate(file.get(), 0) != 0) return ErrnoError(errno, absl::StrCat("ftruncate ", path));
  RETURN_IF_ERROR(WriteAll(file.get(), BytesOf(EgressBytes())));
  return file;
}

}  // namespace glovebox
