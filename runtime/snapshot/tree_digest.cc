#include "snapshot/tree_digest.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "base/escape.h"
#include "base/status.h"
#include "base/unique_fd.h"
#include "linux/file_io.h"
#include "snapshot/directory_list.h"
#include "snapshot/sha256.h"

namespace glovebox {
namespace {

constexpr size_t kNamesPerDirectoryMax = 1'000'000;
constexpr size_t kBufferBytes = 256 * 1024;

absl::Status Refused(absl::string_view path, absl::string_view why) {
  const std::string shown = EscapeForPeople(path, 300);
  return DetailedError(absl::StatusCode::kFailedPrecondition, absl::StrCat(shown, ": ", why),
                       {"CONTENT_REFUSED", {{"path", shown}}});
}

absl::Status TooLarge(const std::string& message) {
  return DetailedError(absl::StatusCode::kResourceExhausted, message, {"TREE_TOO_LARGE", {}});
}

bool Redirects(absl::string_view attribute) {
  return absl::StartsWith(attribute, "trusted.overlay.") || attribute == "user.overlay.redirect" ||
         attribute == "user.overlay.metacopy";
}

absl::Status CheckAttributes(int fd, absl::string_view path) {
  char names[4096];
  const ssize_t size = ::flistxattr(fd, names, sizeof names);
  if (size < 0 && errno == EOPNOTSUPP) return absl::OkStatus();
  if (size < 0 && errno == ERANGE) return Refused(path, "has too many extended attributes");
  if (size < 0) return ErrnoError(errno, "flistxattr");
  for (absl::string_view name : absl::StrSplit(absl::string_view(names, static_cast<size_t>(size)),
                                               '\0', absl::SkipEmpty())) {
    if (Redirects(name)) return Refused(path, absl::StrCat("has the attribute ", name));
  }
  return absl::OkStatus();
}

class Walk {
 public:
  explicit Walk(const TreeDigestOptions& options) : options_(options), buffer_(kBufferBytes, 0) {}

  // Recursion is bounded by depth_max; each level holds one descriptor and the names of its
  // directory.
  absl::Status Directory(int fd, const std::string& path, int depth, bool counted) {
    if (depth > options_.depth_max) {
      return TooLarge(absl::StrCat("the tree is deeper than ", options_.depth_max, " levels"));
    }
    RETURN_IF_ERROR(CheckAttributes(fd, path));
    ASSIGN_OR_RETURN(const std::vector<std::string> names,
                     ListDirectoryAt(fd, ".", kNamesPerDirectoryMax));
    for (const std::string& name : names) {
      RETURN_IF_ERROR(
          Entry(fd, name, path.empty() ? name : absl::StrCat(path, "/", name), depth, counted));
    }
    return absl::OkStatus();
  }

  std::string Finish() { return digest_.FinishHex(); }

 private:
  absl::Status Entry(int parent_fd, const std::string& name, const std::string& path, int depth,
                     bool counted) {
    if (++entries_ > options_.entries_max) {
      return TooLarge(absl::StrCat("the tree has more than ", options_.entries_max, " entries"));
    }
    const auto& left_out = options_.left_out;
    counted = counted && std::find(left_out.begin(), left_out.end(), path) == left_out.end();
    struct stat status {};
    if (::fstatat(parent_fd, name.c_str(), &status, AT_SYMLINK_NOFOLLOW) != 0) {
      return ErrnoError(errno, absl::StrCat("fstatat ", EscapeForPeople(path, 300)));
    }
    if (counted) {
      digest_.UpdateField(path);
      digest_.UpdateField(
          absl::StrCat(absl::Hex(status.st_mode), " ", status.st_uid, " ", status.st_gid));
    }
    switch (status.st_mode & S_IFMT) {
      case S_IFDIR: {
        ASSIGN_OR_RETURN(const UniqueFd fd,
                         OpenAt(parent_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW));
        return Directory(fd.get(), path, depth + 1, counted);
      }
      case S_IFREG:
        return File(parent_fd, name, path, counted);
      case S_IFLNK:
        return counted ? Link(parent_fd, name) : absl::OkStatus();
      case S_IFIFO:
      case S_IFSOCK:
        return absl::OkStatus();  // nothing but a name
      default:
        return Refused(path, "is a device");
    }
  }

  absl::Status File(int parent_fd, const std::string& name, const std::string& path, bool counted) {
    ASSIGN_OR_RETURN(const UniqueFd fd,
                     OpenAt(parent_fd, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY));
    RETURN_IF_ERROR(CheckAttributes(fd.get(), path));
    if (!counted) return absl::OkStatus();
    for (;;) {
      const ssize_t count = ::read(fd.get(), buffer_.data(), buffer_.size());
      if (count < 0 && errno == EINTR) continue;
      if (count < 0) {
        return ErrnoError(errno, absl::StrCat("read ", EscapeForPeople(path, 300)));
      }
      if (count == 0) break;
      file_.Update(absl::string_view(buffer_.data(), static_cast<size_t>(count)));
    }
    digest_.UpdateField(file_.FinishHex());
    return absl::OkStatus();
  }

  absl::Status Link(int parent_fd, const std::string& name) {
    char target[4097];
    const ssize_t size = ::readlinkat(parent_fd, name.c_str(), target, sizeof target);
    if (size < 0) return ErrnoError(errno, "readlinkat");
    digest_.UpdateField(absl::string_view(target, static_cast<size_t>(size)));
    return absl::OkStatus();
  }

  const TreeDigestOptions& options_;
  std::string buffer_;
  Sha256 digest_;
  Sha256 file_;
  uint64_t entries_ = 0;
};

}  // namespace

absl::StatusOr<std::string> DigestTree(int root_fd, const TreeDigestOptions& options) {
  Walk walk(options);
  RETURN_IF_ERROR(walk.Directory(root_fd, "", 0, /*counted=*/true));
  return walk.Finish();
}

}  // namespace glovebox
