#include "files/embedded/embedded_files.h"

#include <sys/stat.h>

#include <cerrno>
#include <utility>

#include "base/embedded_program.h"
#include "base/status.h"
#include "linux/memfd.h"

namespace glovebox {

EMBEDDED_PROGRAM(EmbeddedFiles, files);

absl::StatusOr<std::shared_ptr<const UniqueFd>> MakeFilesProgram() {
  ASSIGN_OR_RETURN(UniqueFd fd,
                   MakeSealedMemfd("glovebox-files", EmbeddedFiles(), /*executable=*/true));
  // Who may execute but not read a program cannot look into its process (exec(2) makes it
  // undumpable).
  if (::fchmod(fd.get(), 0111) != 0) return ErrnoError(errno, "fchmod glovebox-files");
  return std::make_shared<const UniqueFd>(std::move(fd));
}

}  // namespace glovebox
