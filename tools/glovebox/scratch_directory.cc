#include "tools/glovebox/scratch_directory.h"

#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>

#include "absl/strings/str_cat.h"
#include "base/escape.h"
#include "base/status.h"
#include "tools/glovebox/child_process.h"

namespace glovebox {

ScratchDirectory::~ScratchDirectory() {
  alive_.Reset();
  (void)WaitForChild(remover_);  // what cannot be removed stays visible there
}

absl::StatusOr<std::unique_ptr<ScratchDirectory>> ScratchDirectory::Make(absl::string_view name) {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) return ErrnoError(errno, "pipe2");
  const UniqueFd ended(ends[0]);
  UniqueFd alive(ends[1]);
  const char* parent = std::getenv("TMPDIR");
  std::string path = absl::StrCat(parent != nullptr && *parent == '/' ? parent : "/tmp",
                                  "/glovebox-", name, "-XXXXXX");
  if (::mkdtemp(path.data()) == nullptr) {
    return ErrnoError(errno, absl::StrCat("mkdtemp ", EscapeForPeople(path)));
  }
  SpawnOptions options;
  options.Give(ended.get(), STDIN_FILENO);
  // Of no terminal: what interrupts this program does not reach it.
  (void)::posix_spawnattr_setflags(&options.attributes, POSIX_SPAWN_SETSID);
  pid_t remover = -1;
  const int error = SpawnProgram(
      {"/bin/sh", "-c", "read -r end; /bin/rm -rf -- \"$1\"", "sh", path}, options, &remover);
  if (error != 0) {
    (void)::rmdir(path.c_str());
    return ErrnoError(error, "start sh");
  }
  return std::unique_ptr<ScratchDirectory>(
      new ScratchDirectory(std::move(path), std::move(alive), remover));
}

}  // namespace glovebox
