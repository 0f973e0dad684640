#include "files/remove_tree.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
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

// Levels whose listing stays open, so that it is read on where it was left. Those above are closed,
// and read again from what is left when their turn comes.
constexpr size_t kOpenLevelsMax = 16;

struct CloseDirectory {
  void operator()(DIR* directory) const { ::closedir(directory); }
};
using Listing = std::unique_ptr<DIR, CloseDirectory>;

struct Level {
  std::string name;      // in the level above
  struct stat stat {};   // of it
  Listing listing;       // null: closed
  bool removed = false;  // something, since the listing began
};

absl::StatusOr<struct stat> StatOf(int fd, absl::string_view path) {
  struct stat stat {};
  if (::fstat(fd, &stat) != 0) return PathError(errno, "look at", path);
  return stat;
}

class TreeRemoval {
 public:
  TreeRemoval(int directory, absl::string_view path, uint64_t* names_read)
      : directory_(directory), path_(path), names_read_(names_read) {}

  absl::Status Run(const std::string& name) {
    RETURN_IF_ERROR(Down(name));
    while (!levels_.empty()) {
      ASSIGN_OR_RETURN(const std::optional<std::string> below, Empty(&levels_.back()));
      RETURN_IF_ERROR(below.has_value() ? Down(*below) : Up());
    }
    return absl::OkStatus();
  }

 private:
  int Fd() const { return levels_.empty() ? directory_ : ::dirfd(levels_.back().listing.get()); }

  absl::StatusOr<Level> Open(int fd, const std::string& name) const {
    UniqueFd opened(::openat(fd, name.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
    if (!opened.valid()) return PathError(errno, "open what is in", path_);
    Level level;
    level.name = name;
    ASSIGN_OR_RETURN(level.stat, StatOf(opened.get(), path_));
    level.listing.reset(::fdopendir(opened.get()));
    if (level.listing == nullptr) return PathError(errno, "list", path_);
    (void)opened.Release();
    return level;
  }

  absl::Status Down(const std::string& name) {
    ASSIGN_OR_RETURN(const struct stat above, StatOf(Fd(), path_));
    ASSIGN_OR_RETURN(Level level, Open(Fd(), name));
    if (level.stat.st_dev != above.st_dev) return PathError(EBUSY, "remove what is in", path_);
    levels_.push_back(std::move(level));
    if (levels_.size() > kOpenLevelsMax) levels_[levels_.size() - 1 - kOpenLevelsMax].listing = {};
    return absl::OkStatus();
  }

  // Removes what is no directory. Returns the name of the next directory, if there is one.
  absl::StatusOr<std::optional<std::string>> Empty(Level* level) const {
    const int fd = ::dirfd(level->listing.get());
    for (;;) {
      errno = 0;
      const dirent* entry = ::readdir(level->listing.get());
      if (entry == nullptr && errno != 0) return PathError(errno, "list", path_);
      if (entry == nullptr && !level->removed) return std::optional<std::string>();
      if (entry == nullptr) {
        // A file system may leave out names while others go.
        level->removed = false;
        ::rewinddir(level->listing.get());
        continue;
      }
      if (names_read_ != nullptr) ++*names_read_;
      std::string name = entry->d_name;
      if (name == "." || name == "..") continue;
      level->removed = true;
      if (::unlinkat(fd, name.c_str(), 0) == 0 || errno == ENOENT) continue;
      if (errno != EISDIR) return PathError(errno, "remove what is in", path_);
      return std::optional<std::string>(std::move(name));
    }
  }

  // Out of the deepest level, which is empty, and removes it.
  absl::Status Up() {
    const Level left = std::move(levels_.back());
    levels_.pop_back();
    if (!levels_.empty() && levels_.back().listing == nullptr) {
      ASSIGN_OR_RETURN(Level above, Open(::dirfd(left.listing.get()), ".."));
      if (!SameFile(above.stat, levels_.back().stat)) {
        return PathError(EBUSY, "remove what moves in", path_);
      }
      levels_.back().listing = std::move(above.listing);
    }
    if (::unlinkat(Fd(), left.name.c_str(), AT_REMOVEDIR) == 0 || errno == ENOENT) {
      return absl::OkStatus();
    }
    return PathError(errno, "remove what is in", path_);
  }

  const int directory_;
  const absl::string_view path_;
  uint64_t* const names_read_;
  std::vector<Level> levels_;
};

}  // namespace

absl::Status RemoveTree(int directory, const std::string& name, absl::string_view path,
                        uint64_t* names_read) {
  return TreeRemoval(directory, path, names_read).Run(name);
}

}  // namespace glovebox
