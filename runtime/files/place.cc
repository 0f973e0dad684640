#include "files/place.h"

#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <climits>
#include <cstring>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "base/escape.h"
#include "base/status.h"
#include "base/wire_field.h"

namespace glovebox {
namespace {

constexpr size_t kShownBytesMax = 500;
constexpr int kLinksMax = 40;
constexpr size_t kPathBytesMax = 4095;

struct ErrnoReason {
  int error;
  absl::StatusCode code;
  const char* reason;
};

constexpr ErrnoReason kReasons[] = {
    {ENOENT, absl::StatusCode::kNotFound, "PATH_NOT_FOUND"},
    {ENOTDIR, absl::StatusCode::kFailedPrecondition, "NOT_A_DIRECTORY"},
    {EISDIR, absl::StatusCode::kFailedPrecondition, "NOT_A_FILE"},
    {EEXIST, absl::StatusCode::kAlreadyExists, "PATH_EXISTS"},
    {ENOTEMPTY, absl::StatusCode::kFailedPrecondition, "DIRECTORY_NOT_EMPTY"},
    {EACCES, absl::StatusCode::kPermissionDenied, "PATH_NOT_PERMITTED"},
    {EPERM, absl::StatusCode::kPermissionDenied, "PATH_NOT_PERMITTED"},
    {EROFS, absl::StatusCode::kPermissionDenied, "PATH_NOT_PERMITTED"},
    {ENOSPC, absl::StatusCode::kResourceExhausted, "DISK_FULL"},
    {EDQUOT, absl::StatusCode::kResourceExhausted, "DISK_FULL"},
    {ENAMETOOLONG, absl::StatusCode::kInvalidArgument, "PATH_INVALID"},
    {ELOOP, absl::StatusCode::kInvalidArgument, "PATH_INVALID"},
    {EINVAL, absl::StatusCode::kInvalidArgument, "PATH_INVALID"},
    {EXDEV, absl::StatusCode::kFailedPrecondition, "PATH_NOT_SUPPORTED"},
    {EBUSY, absl::StatusCode::kFailedPrecondition, "PATH_NOT_SUPPORTED"},
    {EFBIG, absl::StatusCode::kResourceExhausted, "FILE_TOO_LARGE"},
};

int OpenAt2(int directory, const std::string& path, uint64_t flags) {
  open_how how{};
  how.flags = flags | O_CLOEXEC;
  how.resolve = RESOLVE_NO_MAGICLINKS;
  long fd = 0;
  do {
    fd = ::syscall(SYS_openat2, directory, path.c_str(), &how, sizeof(how));
  } while (fd < 0 && (errno == EAGAIN || errno == EINTR));
  return static_cast<int>(fd);
}

// What is before the last component ("" for none), and that.
std::pair<std::string, std::string> SplitLast(std::string path) {
  while (path.size() > 1 && path.back() == '/') path.pop_back();
  const size_t slash = path.rfind('/');
  if (slash == std::string::npos) return {"", path};
  return {path.substr(0, slash + 1), path.substr(slash + 1)};
}

absl::StatusOr<UniqueFd> OpenParent(int base, const std::string& parent, bool make,
                                    absl::string_view asked) {
  const std::string path = parent.empty() ? "." : parent;
  constexpr uint64_t kFlags = O_PATH | O_DIRECTORY;
  UniqueFd fd(OpenAt2(base, path, kFlags));
  if (fd.valid()) return fd;
  if (errno != ENOENT || !make) return PathError(errno, "open the directory of", asked);
  // One directory after the other, so that links in between are followed as they are.
  auto [above, name] = SplitLast(path);
  if (name.empty() || name == "." || name == "..") return PathError(ENOENT, "make", asked);
  ASSIGN_OR_RETURN(const UniqueFd upper, OpenParent(base, above, make, asked));
  if (::mkdirat(upper.get(), name.c_str(), 0777) != 0 && errno != EEXIST) {
    return PathError(errno, "make the directory of", asked);
  }
  UniqueFd made(OpenAt2(upper.get(), name, kFlags));
  if (!made.valid()) return PathError(errno, "open the directory of", asked);
  return made;
}

// FileType of change.proto.
uint32_t TypeOf(mode_t mode) {
  if (S_ISREG(mode)) return 1;
  if (S_ISDIR(mode)) return 2;
  return S_ISLNK(mode) ? 3 : 4;
}

}  // namespace

absl::Status PathRefused(absl::StatusCode code, absl::string_view reason, absl::string_view path,
                         absl::string_view why) {
  const std::string shown = EscapeForPeople(path, kShownBytesMax);
  return DetailedError(code, absl::StrCat(shown, " ", why),
                       {std::string(reason), {{"path", shown}}});
}

absl::Status PathError(int error, absl::string_view what, absl::string_view path) {
  const std::string shown = EscapeForPeople(path, kShownBytesMax);
  absl::string_view hint;
  if (error == EXDEV) hint = "; it is on another mount, or a directory of the image: use mv inside";
  for (const ErrnoReason& each : kReasons) {
    if (each.error != error) continue;
    return DetailedError(each.code,
                         absl::StrCat(what, " ", shown, ": ", std::strerror(error), hint),
                         {each.reason, {{"path", shown}, {"errno", absl::StrCat(error)}}});
  }
  return DetailedError(absl::StatusCode::kInternal,
                       absl::StrCat(what, " ", shown, ": ", std::strerror(error)),
                       {"SYSTEM_CALL_FAILED", {{"path", shown}, {"errno", absl::StrCat(error)}}});
}

absl::StatusOr<Place> FindPlace(absl::string_view path, bool follow, bool make_parents) {
  if (path.empty() || path.size() > kPathBytesMax || absl::StrContains(path, '\0')) {
    return PathRefused(absl::StatusCode::kInvalidArgument, "PATH_INVALID", path,
                       "is no path: 1 to 4,095 bytes without NUL");
  }
  UniqueFd base(::open(".", O_PATH | O_DIRECTORY | O_CLOEXEC));
  if (!base.valid()) return PathError(errno, "open the working directory of", path);
  std::string rest(path);
  bool of_directory = false;
  for (int links = 0; links <= kLinksMax; ++links) {
    auto [parent, name] = SplitLast(rest);
    const bool nameless = name.empty() || name == "." || name == "..";
    ASSIGN_OR_RETURN(UniqueFd directory, OpenParent(base.get(), nameless ? rest : parent,
                                                    make_parents && !nameless, path));
    if (nameless) return Place{std::move(directory), ".", std::string(path), true};
    of_directory = of_directory || rest.back() == '/';
    struct stat stat {};
    const bool there = ::fstatat(directory.get(), name.c_str(), &stat, AT_SYMLINK_NOFOLLOW) == 0;
    if (!there || !S_ISLNK(stat.st_mode) || !follow) {
      if (there && of_directory && !S_ISDIR(stat.st_mode)) return PathError(ENOTDIR, "open", path);
      return Place{std::move(directory), std::move(name), std::string(path), of_directory};
    }
    ASSIGN_OR_RETURN(rest, ReadLinkAt(directory.get(), name, path));
    if (rest.empty()) return PathError(ENOENT, "follow", path);
    base = std::move(directory);
  }
  return PathError(ELOOP, "follow", path);
}

absl::StatusOr<std::optional<struct stat>> Look(const Place& place) {
  struct stat stat {};
  if (::fstatat(place.directory.get(), place.name.c_str(), &stat, AT_SYMLINK_NOFOLLOW) == 0) {
    return std::optional<struct stat>(stat);
  }
  if (errno == ENOENT) return std::optional<struct stat>();
  return PathError(errno, "look at", place.path);
}

absl::StatusOr<struct stat> MustLook(const Place& place) {
  ASSIGN_OR_RETURN(const std::optional<struct stat> stat, Look(place));
  if (!stat.has_value()) return PathError(ENOENT, "look at", place.path);
  return *stat;
}

absl::StatusOr<OpenFile> OpenForReading(const Place& place) {
  OpenFile file;
  const UniqueFd pinned(OpenAt2(place.directory.get(), place.name, O_PATH | O_NOFOLLOW));
  if (!pinned.valid()) return PathError(errno, "open", place.path);
  if (::fstat(pinned.get(), &file.stat) != 0) return PathError(errno, "look at", place.path);
  if (!S_ISREG(file.stat.st_mode)) {
    return PathRefused(absl::StatusCode::kFailedPrecondition, "NOT_A_FILE", place.path,
                       "is no regular file");
  }
  const std::string same = absl::StrCat("/proc/self/fd/", pinned.get());
  file.fd.Reset(::open(same.c_str(), O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC));
  if (!file.fd.valid()) return PathError(errno, "open", place.path);
  return file;
}

absl::StatusOr<UniqueFd> OpenDirectory(const Place& place) {
  UniqueFd fd(
      OpenAt2(place.directory.get(), place.name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_NONBLOCK));
  if (!fd.valid()) return PathError(errno, "open", place.path);
  return fd;
}

bool SameContent(const struct stat& a, const struct stat& b) {
  return (a.st_mode & S_IFMT) == (b.st_mode & S_IFMT) && a.st_size == b.st_size &&
         a.st_mtim.tv_sec == b.st_mtim.tv_sec && a.st_mtim.tv_nsec == b.st_mtim.tv_nsec;
}

absl::StatusOr<std::string> ReadLinkAt(int directory, const std::string& name,
                                       absl::string_view path) {
  std::string target(PATH_MAX, '\0');
  const ssize_t size = ::readlinkat(directory, name.c_str(), target.data(), target.size());
  if (size < 0 && errno == EINVAL) {
    // It was one when it was looked at: the path itself is in order.
    return PathRefused(absl::StatusCode::kAborted, "FILE_KEPT_CHANGING", path,
                       "was replaced meanwhile; try again");
  }
  if (size < 0) return PathError(errno, "read the link", path);
  target.resize(static_cast<size_t>(size));
  return target;
}

std::string EncodeInfo(absl::string_view path, const struct stat& stat,
                       const std::optional<std::string>& target) {
  WireWriter time, info;
  time.Number(1, static_cast<uint64_t>(stat.st_mtim.tv_sec));
  time.Number(2, static_cast<uint64_t>(stat.st_mtim.tv_nsec));
  info.Bytes(1, path);
  info.Number(2, TypeOf(stat.st_mode));
  info.Number(3, stat.st_mode);
  if (S_ISREG(stat.st_mode)) info.Number(4, static_cast<uint64_t>(stat.st_size));
  info.Bytes(5, time.message());
  info.Number(6, stat.st_uid);
  info.Number(7, stat.st_gid);
  if (target.has_value()) info.Bytes(8, *target);
  return info.Take();
}

}  // namespace glovebox
