#include "importer/embedded/embedded_importer.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/embedded_program.h"
#include "base/status.h"
#include "linux/file_io.h"

namespace glovebox {

EMBEDDED_PROGRAM(EmbeddedImporter, importer);

absl::StatusOr<std::shared_ptr<const UniqueFd>> WriteImporter(const std::string& directory) {
  const std::string path = absl::StrCat(directory, "/glovebox-importer");
  const std::string staged = absl::StrCat(path, ".new");
  {
    ASSIGN_OR_RETURN(const UniqueFd file,
                     OpenAt(AT_FDCWD, staged, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW, 0755));
    RETURN_IF_ERROR(WriteAll(file.get(), EmbeddedImporter()));
    if (::fchmod(file.get(), 0755) != 0) return ErrnoError(errno, absl::StrCat("chmod ", staged));
  }
  // A worker that runs the former one keeps it.
  if (::rename(staged.c_str(), path.c_str()) != 0) return ErrnoError(errno, "rename the importer");
  ASSIGN_OR_RETURN(UniqueFd program, OpenAt(AT_FDCWD, path, O_PATH | O_NOFOLLOW));
  return std::make_shared<const UniqueFd>(std::move(program));
}

}  // namespace glovebox
