#include "daemon/state_directory.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "base/ids.h"
#include "base/status.h"
#include "linux/file_io.h"

namespace glovebox {
namespace {

constexpr size_t kInstanceDigits = 16;

bool IsInstance(const std::string& text) {
  return text.size() == kInstanceDigits && std::all_of(text.begin(), text.end(), [](char c) {
           return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
         });
}

// The lock is held, so nobody writes the file at the same time.
absl::StatusOr<std::string> ReadOrMakeInstance(const std::string& path) {
  absl::StatusOr<std::string> known = ReadFileAt(AT_FDCWD, path, 64);
  if (known.ok()) {
    if (IsInstance(*known)) return *known;
    return DetailedError(absl::StatusCode::kFailedPrecondition,
                         absl::StrCat(path,
                                      " is damaged; remove it when no sandbox of this state "
                                      "directory is left"),
                         {"STATE_DIR_DAMAGED", {{"path", path}}});
  }
  if (!absl::IsNotFound(known.status())) return known.status();
  const std::string instance = NewRandomId().substr(0, kInstanceDigits);
  const std::string fresh = path + ".new";
  {
    ASSIGN_OR_RETURN(const UniqueFd file,
                     OpenAt(AT_FDCWD, fresh, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW, 0600));
    RETURN_IF_ERROR(WriteAll(file.get(), instance));
    if (::fsync(file.get()) != 0) return ErrnoError(errno, absl::StrCat("fsync ", fresh));
  }
  if (::rename(fresh.c_str(), path.c_str()) != 0) {
    return ErrnoError(errno, absl::StrCat("rename ", fresh));
  }
  return instance;
}

}  // namespace

absl::Status MakeDirectories(const std::string& path, unsigned mode) {
  for (size_t slash = path.find('/', 1); slash != std::string::npos;
       slash = path.find('/', slash + 1)) {
    RETURN_IF_ERROR(MakeDirectoryAt(AT_FDCWD, path.substr(0, slash), 0755));
  }
  RETURN_IF_ERROR(MakeDirectoryAt(AT_FDCWD, path, mode));
  ASSIGN_OR_RETURN(const UniqueFd directory, OpenAt(AT_FDCWD, path, O_RDONLY | O_DIRECTORY));
  if (::fchmod(directory.get(), mode) != 0) return ErrnoError(errno, absl::StrCat("chmod ", path));
  return absl::OkStatus();
}

StateDirectory::StateDirectory(std::string path, std::string instance, UniqueFd lock)
    : path_(std::move(path)), instance_(std::move(instance)), lock_(std::move(lock)) {}

absl::StatusOr<StateDirectory> StateDirectory::Open(const std::string& path) {
  RETURN_IF_ERROR(MakeDirectories(path, 0700));
  ASSIGN_OR_RETURN(UniqueFd lock, OpenAt(AT_FDCWD, absl::StrCat(path, "/lock"),
                                         O_RDWR | O_CREAT | O_NOFOLLOW, 0600));
  if (::flock(lock.get(), LOCK_EX | LOCK_NB) != 0) {
    if (errno != EWOULDBLOCK) return ErrnoError(errno, absl::StrCat("flock ", path, "/lock"));
    return DetailedError(absl::StatusCode::kFailedPrecondition,
                         absl::StrCat("another gloveboxd has the state directory ", path,
                                      "; stop it, or give this one another --state-dir"),
                         {"STATE_DIR_IN_USE", {{"path", path}}});
  }
  ASSIGN_OR_RETURN(std::string instance, ReadOrMakeInstance(absl::StrCat(path, "/instance")));
  return StateDirectory(path, std::move(instance), std::move(lock));
}

}  // namespace glovebox
