#include "tests/bench/workspace.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <unistd.h>

#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "linux/file_io.h"

namespace glovebox::bench {
namespace {

constexpr size_t kProgramBytesMax = size_t{16} << 20;

absl::Status CopyProgram(const std::string& from, const std::string& to) {
  ASSIGN_OR_RETURN(std::string bytes, ReadFileAt(AT_FDCWD, from, kProgramBytesMax));
  ASSIGN_OR_RETURN(UniqueFd fd, OpenAt(AT_FDCWD, to, O_WRONLY | O_CREAT | O_EXCL, 0755));
  return WriteAll(fd.get(), bytes);
}

absl::Status FillRoot(const std::string& root) {
  for (const char* folder : {"", "/bin", "/proc", "/dev", "/dev/pts", "/dev/shm", "/sys", "/tmp",
                             "/etc", "/run", "/usr", "/var", "/home", "/root", "/workspace"}) {
    RETURN_IF_ERROR(MakeDirectoryAt(AT_FDCWD, absl::StrCat(root, folder), 0755));
  }
  const std::string built = ProgramFolder();
  for (const char* name :
       {"true", "hello", "calls", "true_bare", "hello_bare", "pause_bare", "tree_bare"}) {
    RETURN_IF_ERROR(
        CopyProgram(absl::StrCat(built, "/bench_", name), absl::StrCat(root, "/bin/", name)));
  }
  for (const char* busybox : {"/usr/bin/busybox", "/bin/busybox"}) {
    if (access(busybox, X_OK) != 0) continue;
    RETURN_IF_ERROR(CopyProgram(busybox, absl::StrCat(root, "/bin/busybox")));
    for (const char* applet : {"sh", "head", "sleep", "cat"}) {
      if (symlink("busybox", absl::StrCat(root, "/bin/", applet).c_str()) != 0) {
        return ErrnoError(errno, "symlink(busybox)");
      }
    }
    break;
  }
  return absl::OkStatus();
}

}  // namespace

std::string ProgramFolder() {
  char path[4096];
  ssize_t size = readlink("/proc/self/exe", path, sizeof path);
  std::string program(path, size > 0 ? static_cast<size_t>(size) : 0);
  return program.substr(0, program.rfind('/'));
}

absl::StatusOr<Workspace> Workspace::Make() {
  char path[] = "/tmp/glovebox-bench.XXXXXX";
  if (mkdtemp(path) == nullptr) return ErrnoError(errno, "mkdtemp(/tmp/glovebox-bench.XXXXXX)");
  Workspace workspace{std::string(path)};
  // Payloads and other users' processes must pass through to the root; they cannot list it.
  if (chmod(path, 0711) != 0) return ErrnoError(errno, "chmod");
  RETURN_IF_ERROR(FillRoot(workspace.root()));
  return workspace;
}

Workspace::~Workspace() {
  if (!path_.empty()) (void)RemoveTreeAt(AT_FDCWD, path_);  // in /tmp; the next boot clears it
}

}  // namespace glovebox::bench
