#include "files/embedded/embedded_files.h"

#include <sys/stat.h>

#include <cerrno>
#include <utility>

#include "absl/strings/string_view.h"
#include "base/status.h"
#include "linux/memfd.h"

extern "C" {
extern const char glovebox_embedded_files[];
extern const char glovebox_embedded_files_end[];
}

namespace glovebox {

absl::StatusOr<std::shared_ptr<const UniqueFd>> MakeFilesProgram() {
  const absl::string_view bytes(
      glovebox_embedded_files,
      static_cast<size_t>(glovebox_embedded_files_end - glovebox_embedded_files));
  ASSIGN_OR_RETURN(UniqueFd fd, MakeSealedMemfd("glovebox-files", bytes, /*executable=*/true));
  // Who may execute but not read a program cannot look into its process (exec(2) makes it
  // undumpable).
  if (::fchmod(fd.get(), 0111) != 0) return ErrnoError(errno, "fchmod glovebox-files");
  return std::make_shared<const UniqueFd>(std::move(fd));
}

}  // namespace glovebox
