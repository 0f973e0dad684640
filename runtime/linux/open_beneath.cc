#include "linux/open_beneath.h"

#include <dirent.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/syscall.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <cerrno>
#include <climits>
#include <cstring>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/escape.h"
#include "base/status.h"

namespace glovebox {
namespace {

constexpr int kAlwaysFlags = O_NONBLOCK | O_NOCTTY | O_CLOEXEC;
constexpr size_t kXattrBytesMax = 4096;

std::string Quote(absl::string_view path) {
  return absl::StrCat("\"", EscapeForPeople(path, 200), "\"");
}

absl::Status Precondition(absl::string_view reason, absl::string_view message) {
  return DetailedError(absl::StatusCode::kFailedPrecondition, message, {std::string(reason), {}});
}

absl::StatusOr<UniqueFd> OpenAt2(int dir_fd, absl::string_view path, int flags) {
  if (path.size() >= PATH_MAX || path.find('\0') != absl::string_view::npos) {
    return DetailedError(absl::StatusCode::kInvalidArgument,
                         absl::StrCat("path ", Quote(path), " has a NUL or over 4095 bytes"),
                         {"INVALID_FIELD", {}});
  }
  char name[PATH_MAX];
  std::memcpy(name, path.data(), path.size());
  name[path.size()] = '\0';
  open_how how{};
  // The kernel refuses O_PATH together with O_NONBLOCK or O_NOCTTY; alone it never blocks.
  how.flags = static_cast<uint64_t>((flags & O_PATH) != 0 ? flags | O_NOFOLLOW | O_CLOEXEC
                                                          : flags | O_NOFOLLOW | kAlwaysFlags);
  how.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS | RESOLVE_NO_XDEV;
  // EAGAIN: a rename anywhere on the host raced with the look-up; only ".." needs the check, which
  // RESOLVE_BENEATH makes for every path. A bounded number of tries, as openat2(2) advises.
  for (int tries = 0; tries < 32; ++tries) {
    const long fd = ::syscall(SYS_openat2, dir_fd, name, &how, sizeof(how));
    if (fd >= 0) return UniqueFd(static_cast<int>(fd));
    if (errno != EAGAIN && errno != EINTR) break;
  }
  const int error = errno;
  if (error == ELOOP || error == EXDEV || error == ENOTDIR) {
    return DetailedError(
        absl::StatusCode::kFailedPrecondition,
        absl::StrCat("open ", Quote(path), " beneath a directory: ", std::strerror(error)),
        {"PATH_NOT_BENEATH", {{"errno", absl::StrCat(error)}}});
  }
  return ErrnoError(error, absl::StrCat("openat2(", Quote(path), ")"));
}

absl::StatusOr<OpenedFile> WithStat(UniqueFd fd) {
  OpenedFile file{std::move(fd), {}};
  if (::fstat(file.fd.get(), &file.stat) != 0) return ErrnoError(errno, "fstat");
  return file;
}

}  // namespace

absl::StatusOr<OpenedFile> PinBeneath(int dir_fd, absl::string_view path) {
  ASSIGN_OR_RETURN(UniqueFd fd, OpenAt2(dir_fd, path, O_PATH));
  return WithStat(std::move(fd));
}

absl::StatusOr<OpenedFile> OpenPinned(const OpenedFile& pinned) {
  UniqueFd fd;
  if (S_ISDIR(pinned.stat.st_mode)) {
    ASSIGN_OR_RETURN(fd, OpenAt2(pinned.fd.get(), ".", O_RDONLY | O_DIRECTORY));
  } else if (S_ISREG(pinned.stat.st_mode)) {
    // The one magic link that is followed: to a descriptor of ours, so to the pinned inode.
    const std::string link = absl::StrCat("/proc/self/fd/", pinned.fd.get());
    fd.Reset(::open(link.c_str(), O_RDONLY | kAlwaysFlags));
    if (!fd.valid()) return ErrnoError(errno, "open a pinned file through /proc/self/fd");
  } else {
    return Precondition("NOT_A_FILE_OR_DIRECTORY", "is neither a regular file nor a directory");
  }
  ASSIGN_OR_RETURN(OpenedFile opened, WithStat(std::move(fd)));
  if (opened.stat.st_dev != pinned.stat.st_dev || opened.stat.st_ino != pinned.stat.st_ino ||
      (opened.stat.st_mode & S_IFMT) != (pinned.stat.st_mode & S_IFMT)) {
    return absl::InternalError("a pinned file opened as another inode");
  }
  return opened;
}

absl::StatusOr<OpenedFile> OpenRegularBeneath(int dir_fd, absl::string_view path) {
  ASSIGN_OR_RETURN(OpenedFile pinned, PinBeneath(dir_fd, path));
  if (!S_ISREG(pinned.stat.st_mode)) {
    return Precondition("NOT_A_REGULAR_FILE", absl::StrCat(Quote(path), " is no regular file"));
  }
  return OpenPinned(pinned);
}

absl::StatusOr<OpenedFile> OpenDirectoryBeneath(int dir_fd, absl::string_view path) {
  // O_DIRECTORY decides before any open method runs, so no O_PATH step is needed.
  auto fd = OpenAt2(dir_fd, path, O_RDONLY | O_DIRECTORY);
  if (fd.ok()) return WithStat(*std::move(fd));
  auto pinned = PinBeneath(dir_fd, path);
  if (pinned.ok() && !S_ISDIR(pinned->stat.st_mode)) {
    return Precondition("NOT_A_DIRECTORY", absl::StrCat(Quote(path), " is no directory"));
  }
  return fd.status();
}

absl::StatusOr<std::string> ReadPinnedLink(const OpenedFile& pinned) {
  if (!S_ISLNK(pinned.stat.st_mode)) return Precondition("NOT_A_SYMLINK", "is no symbolic link");
  char target[PATH_MAX + 1];
  const ssize_t size = ::readlinkat(pinned.fd.get(), "", target, sizeof(target));
  if (size < 0) return ErrnoError(errno, "readlinkat of a pinned link");
  return std::string(target, static_cast<size_t>(size));
}

absl::StatusOr<size_t> ReadAt(int fd, uint64_t offset, char* buffer, size_t size) {
  size_t done = 0;
  while (done < size) {
    const ssize_t got = ::pread(fd, buffer + done, size - done, static_cast<off_t>(offset + done));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return ErrnoError(errno, "pread");
    if (got == 0) break;
    done += static_cast<size_t>(got);
  }
  return done;
}

absl::StatusOr<std::string> ReadWhole(int fd, uint64_t bytes_max) {
  struct stat stat {};
  if (::fstat(fd, &stat) != 0) return ErrnoError(errno, "fstat");
  std::string content;
  // The size is only a first guess: the file may grow or shrink while it is read.
  uint64_t room = static_cast<uint64_t>(stat.st_size) + 1;
  while (true) {
    if (room > bytes_max + 1) room = bytes_max + 1;
    const size_t before = content.size();
    content.resize(room);
    ASSIGN_OR_RETURN(const size_t got, ReadAt(fd, before, content.data() + before, room - before));
    content.resize(before + got);
    if (content.size() > bytes_max) {
      return DetailedError(absl::StatusCode::kResourceExhausted,
                           absl::StrCat("file has more than ", bytes_max, " bytes"),
                           {"FILE_TOO_LARGE", {{"max", absl::StrCat(bytes_max)}}});
    }
    if (content.size() < room) return content;
    room *= 2;
  }
}

absl::StatusOr<std::optional<std::string>> GetXattr(int fd, const char* name) {
  char value[kXattrBytesMax];
  const ssize_t size = ::fgetxattr(fd, name, value, sizeof(value));
  if (size >= 0) return std::optional<std::string>(std::in_place, value, static_cast<size_t>(size));
  if (errno == ENODATA || errno == EOPNOTSUPP) return std::optional<std::string>();
  if (errno == ERANGE) {
    return absl::ResourceExhaustedError(absl::StrCat("xattr ", name, " is over 4096 bytes"));
  }
  return ErrnoError(errno, absl::StrCat("fgetxattr(", name, ")"));
}

absl::Status ForEachName(int dir_fd, absl::FunctionRef<absl::Status(absl::string_view)> visit) {
  if (::lseek(dir_fd, 0, SEEK_SET) < 0) return ErrnoError(errno, "lseek of a directory");
  alignas(dirent64) char entries[32 * 1024];
  while (true) {
    const long size = ::syscall(SYS_getdents64, dir_fd, entries, sizeof(entries));
    if (size < 0 && errno == ENOENT) return absl::OkStatus();  // was removed: has no names
    if (size < 0) return ErrnoError(errno, "getdents64");
    if (size == 0) return absl::OkStatus();
    for (long at = 0; at < size;) {
      const auto* entry = reinterpret_cast<const dirent64*>(entries + at);
      at += entry->d_reclen;
      const absl::string_view name(entry->d_name);
      if (name != "." && name != "..") RETURN_IF_ERROR(visit(name));
    }
  }
}

}  // namespace glovebox
