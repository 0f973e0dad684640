#include "files/remove_tree.h"

#include <dirent.h>
#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "base/status.h"
#include "base/unique_fd.h"
#include "files/place.h"

namespace glovebox {
namespace {

struct CloseDirectory {
  void operator()(DIR* directory) const { ::closedir(directory); }
};

struct Level {
  std::string name;
  struct stat above {};  // the directory that it is in
};

// Removes what is no directory. Returns the name of a directory, if there is one.
absl::StatusOr<std::optional<std::string>> Empty(int fd, absl::string_view path) {
  const int listed = ::openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  const std::unique_ptr<DIR, CloseDirectory> directory(listed < 0 ? nullptr : ::fdopendir(listed));
  if (directory == nullptr) return PathError(errno, "list", path);
  std::optional<std::string> below;
  for (;;) {
    errno = 0;
    const dirent* entry = ::readdir(directory.get());
    if (entry == nullptr) break;
    const std::string name = entry->d_name;
    if (name == "." || name == "..") continue;
    if (::unlinkat(fd, name.c_str(), 0) == 0 || errno == ENOENT) continue;
    if (errno != EISDIR) return PathError(errno, "remove what is in", path);
    if (!below.has_value()) below = name;
  }
  if (errno != 0) return PathError(errno, "list", path);
  return below;
}

absl::StatusOr<UniqueFd> Enter(int fd, const std::string& name, absl::string_view path) {
  UniqueFd below(::openat(fd, name.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
  if (!below.valid()) return PathError(errno, "open what is in", path);
  return below;
}

absl::StatusOr<struct stat> StatOf(int fd, absl::string_view path) {
  struct stat stat {};
  if (::fstat(fd, &stat) != 0) return PathError(errno, "look at", path);
  return stat;
}

}  // namespace

absl::Status RemoveTree(int directory, const std::string& name, absl::string_view path) {
  std::vector<Level> levels;
  ASSIGN_OR_RETURN(UniqueFd at, Enter(directory, ".", path));
  std::optional<std::string> below = name;
  for (;;) {
    while (below.has_value()) {
      ASSIGN_OR_RETURN(const struct stat above, StatOf(at.get(), path));
      ASSIGN_OR_RETURN(UniqueFd inner, Enter(at.get(), *below, path));
      ASSIGN_OR_RETURN(const struct stat inside, StatOf(inner.get(), path));
      if (inside.st_dev != above.st_dev) return PathError(EBUSY, "remove what is in", path);
      levels.push_back({*std::move(below), above});
      at = std::move(inner);
      ASSIGN_OR_RETURN(below, Empty(at.get(), path));
    }
    // Up again, if that is still where it was.
    ASSIGN_OR_RETURN(UniqueFd outer, Enter(at.get(), "..", path));
    ASSIGN_OR_RETURN(const struct stat above, StatOf(outer.get(), path));
    if (!SameFile(above, levels.back().above)) {
      return PathError(EBUSY, "remove what moves in", path);
    }
    if (::unlinkat(outer.get(), levels.back().name.c_str(), AT_REMOVEDIR) != 0 && errno != ENOENT) {
      return PathError(errno, "remove what is in", path);
    }
    levels.pop_back();
    at = std::move(outer);
    if (levels.empty()) return absl::OkStatus();
    ASSIGN_OR_RETURN(below, Empty(at.get(), path));
  }
}

}  // namespace glovebox
