#include "snapshot/disk_spare.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>

#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "linux/file_io.h"

namespace glovebox {
namespace {

constexpr char kDirectory[] = "spare";
constexpr int kFiles = 4;

}  // namespace

absl::Status KeepSpare(int root_fd) {
  RETURN_IF_ERROR(MakeDirectoryAt(root_fd, kDirectory, 0700));
  for (int i = 0; i < kFiles; ++i) {
    ASSIGN_OR_RETURN(const UniqueFd file, OpenAt(root_fd, absl::StrCat(kDirectory, "/", i),
                                                 O_WRONLY | O_CREAT | O_NOFOLLOW, 0600));
    // A byte takes a block.
    if (::pwrite(file.get(), "", 1, 0) != 1) return ErrnoError(errno, "pwrite of a spare file");
  }
  return absl::OkStatus();
}

}  // namespace glovebox
