#include "linux/file_io.h"

#include <dirent.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <memory>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/status.h"

namespace glovebox {
namespace {

struct CloseDirectory {
  void operator()(DIR* directory) const { (void)::closedir(directory); }  // nothing was written
};

struct Level {
  std::unique_ptr<DIR, CloseDirectory> directory;
  std::string name;
};

// `resolve`: RESOLVE_* of openat2(2).
absl::StatusOr<Level> OpenLevel(int parent_fd, const std::string& name, uint64_t resolve) {
  open_how how{};
  how.flags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;
  how.resolve = resolve;
  const auto fd =
      static_cast<int>(::syscall(SYS_openat2, parent_fd, name.c_str(), &how, sizeof how));
  if (fd < 0) return ErrnoError(errno, absl::StrCat("openat2 ", name));
  DIR* directory = ::fdopendir(fd);
  if (directory == nullptr) {
    const int error = errno;
    (void)::close(fd);  // only read from
    return ErrnoError(error, absl::StrCat("fdopendir ", name));
  }
  return Level{std::unique_ptr<DIR, CloseDirectory>(directory), name};
}

bool IsDots(const char* name) {
  return name[0] == '.' && (name[1] == '\0' || (name[1] == '.' && name[2] == '\0'));
}

}  // namespace

absl::StatusOr<UniqueFd> OpenAt(int directory_fd, const std::string& path, int flags,
                                unsigned mode) {
  const int fd = ::openat(directory_fd, path.c_str(), flags | O_CLOEXEC, mode);
  if (fd < 0) return ErrnoError(errno, absl::StrCat("open ", path));
  return UniqueFd(fd);
}

absl::StatusOr<std::string> ReadFileAt(int directory_fd, const std::string& path,
                                       size_t bytes_max) {
  ASSIGN_OR_RETURN(UniqueFd fd, OpenAt(directory_fd, path, O_RDONLY));
  std::string content;
  char buffer[16 * 1024];
  for (;;) {
    const ssize_t count = ::read(fd.get(), buffer, sizeof buffer);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return ErrnoError(errno, absl::StrCat("read ", path));
    if (count == 0) return content;
    content.append(buffer, static_cast<size_t>(count));
    if (content.size() > bytes_max) {
      return absl::OutOfRangeError(absl::StrCat(path, " is longer than ", bytes_max, " bytes"));
    }
  }
}

absl::Status WriteKernelFileAt(int directory_fd, const std::string& path,
                               absl::string_view content) {
  ASSIGN_OR_RETURN(UniqueFd fd, OpenAt(directory_fd, path, O_WRONLY));
  const ssize_t count = ::write(fd.get(), content.data(), content.size());
  if (count < 0) return ErrnoError(errno, absl::StrCat("write \"", content, "\" to ", path));
  if (static_cast<size_t>(count) != content.size()) {
    return absl::DataLossError(absl::StrCat("short write to ", path));
  }
  return absl::OkStatus();
}

absl::Status WriteAll(int fd, absl::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t count = ::write(fd, bytes.data(), bytes.size());
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return ErrnoError(errno, "write");
    bytes.remove_prefix(static_cast<size_t>(count));
  }
  return absl::OkStatus();
}

absl::Status MakeDirectoryAt(int directory_fd, const std::string& path, unsigned mode) {
  if (::mkdirat(directory_fd, path.c_str(), mode) == 0 || errno == EEXIST) return absl::OkStatus();
  return ErrnoError(errno, absl::StrCat("mkdir ", path));
}

absl::Status RemoveTreeAt(int directory_fd, const std::string& path) {
  if (::unlinkat(directory_fd, path.c_str(), 0) == 0 || errno == ENOENT) return absl::OkStatus();
  if (errno != EISDIR && errno != EPERM) return ErrnoError(errno, absl::StrCat("unlink ", path));
  std::vector<Level> levels;
  ASSIGN_OR_RETURN(Level top, OpenLevel(directory_fd, path, 0));
  levels.push_back(std::move(top));
  while (!levels.empty()) {
    const int fd = ::dirfd(levels.back().directory.get());
    errno = 0;
    const dirent* entry = ::readdir(levels.back().directory.get());
    if (entry == nullptr) {
      if (errno != 0) return ErrnoError(errno, absl::StrCat("readdir ", levels.back().name));
      const std::string name = levels.back().name;
      levels.pop_back();
      const int parent = levels.empty() ? directory_fd : ::dirfd(levels.back().directory.get());
      if (::unlinkat(parent, name.c_str(), AT_REMOVEDIR) != 0 && errno != ENOENT) {
        return ErrnoError(errno, absl::StrCat("rmdir ", name));
      }
      continue;
    }
    if (IsDots(entry->d_name)) continue;
    const std::string name = entry->d_name;
    if (::unlinkat(fd, name.c_str(), 0) == 0) continue;
    if (errno != EISDIR && errno != EPERM) return ErrnoError(errno, absl::StrCat("unlink ", name));
    // unlinkat says EISDIR for a mount point too: without NO_XDEV the mounted tree would be
    // emptied.
    ASSIGN_OR_RETURN(Level child, OpenLevel(fd, name, RESOLVE_NO_XDEV));
    levels.push_back(std::move(child));
  }
  return absl::OkStatus();
}

}  // namespace glovebox
