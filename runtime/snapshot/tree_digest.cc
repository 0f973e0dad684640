#include "snapshot/tree_digest.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "base/escape.h"
#include "base/status.h"
#include "base/unique_fd.h"
#include "linux/file_io.h"
#include "snapshot/directory_list.h"

namespace glovebox {
namespace {

constexpr size_t kNamesPerDirectoryMax = 1'000'000;
constexpr size_t kBufferBytes = 256 * 1024;
constexpr char kOpaque[] = "user.overlay.opaque";

absl::Status Refused(absl::string_view path, absl::string_view why) {
  const std::string shown = EscapeForPeople(path, 300);
  return DetailedError(absl::StatusCode::kFailedPrecondition, absl::StrCat(shown, ": ", why),
                       {"CONTENT_REFUSED", {{"path", shown}}});
}

absl::Status TooLarge(const std::string& message) {
  return DetailedError(
      absl::StatusCode::kResourceExhausted, message,
      {"TREE_TOO_LARGE", {{"remedy", "leave files out, shorten their paths, or split the tree"}}});
}

bool IsRefused(absl::string_view attribute) {
  return absl::StartsWith(attribute, "trusted.overlay.") || attribute == "user.overlay.redirect" ||
         attribute == "user.overlay.metacopy" || attribute == "user.overlay.whiteout";
}

// Whether the attributes make a directory opaque.
absl::StatusOr<bool> CheckAttributes(int fd, absl::string_view path) {
  char names[4096];
  const ssize_t size = ::flistxattr(fd, names, sizeof names);
  if (size < 0 && errno == EOPNOTSUPP) return false;
  if (size < 0 && errno == ERANGE) return Refused(path, "has too many extended attributes");
  if (size < 0) return ErrnoError(errno, "flistxattr");
  bool opaque = false;
  for (absl::string_view name : absl::StrSplit(absl::string_view(names, static_cast<size_t>(size)),
                                               '\0', absl::SkipEmpty())) {
    if (IsRefused(name)) return Refused(path, absl::StrCat("has the attribute ", name));
    if (name != kOpaque) continue;
    char value[2];
    opaque = ::fgetxattr(fd, kOpaque, value, sizeof value) == 1 && value[0] == 'y';
    if (!opaque) return Refused(path, absl::StrCat("has an unusual value of ", name));
  }
  return opaque;
}

class Walk {
 public:
  Walk(const TreeDigestOptions& options, absl::FunctionRef<void(const TreeEntry&)> visit)
      : options_(options), visit_(visit), buffer_(kBufferBytes, 0) {}

  // Recursion is bounded by depth_max; each level holds one descriptor and the names of its
  // directory, which count as soon as they are held.
  absl::Status Directory(int fd, const std::string& path, int depth, bool counted) {
    if (depth > options_.depth_max) {
      return TooLarge(absl::StrCat("the tree is deeper than ", options_.depth_max, " levels"));
    }
    ASSIGN_OR_RETURN(const std::vector<std::string> names, Names(fd, path));
    uint64_t held = 0;
    for (const std::string& name : names) held += name.size() + TreeEntry::kOwnBytes;
    RETURN_IF_ERROR(Count(held));
    for (const std::string& name : names) {
      RETURN_IF_ERROR(
          Entry(fd, name, path.empty() ? name : absl::StrCat(path, "/", name), depth, counted));
    }
    if (!counted) bytes_ -= held;  // nobody keeps them
    return absl::OkStatus();
  }

 private:
  static absl::StatusOr<std::vector<std::string>> Names(int fd, const std::string& path) {
    auto names = ListDirectoryAt(fd, ".", kNamesPerDirectoryMax);
    if (!absl::IsResourceExhausted(names.status())) return names;
    return TooLarge(absl::StrCat("the directory /", EscapeForPeople(path, 300), " has more than ",
                                 kNamesPerDirectoryMax, " entries"));
  }

  absl::Status Count(uint64_t bytes) {
    bytes_ += bytes;
    return bytes_ > options_.bytes_max ? TreeListTooLarge(options_.bytes_max) : absl::OkStatus();
  }

  // Its name has been counted.
  absl::Status Visit(const TreeEntry& entry, size_t name_bytes) {
    RETURN_IF_ERROR(Count(entry.path.size() - name_bytes + entry.data.size()));
    visit_(entry);
    return absl::OkStatus();
  }

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
    TreeEntry entry{.path = path,
                    .mode = status.st_mode,
                    .uid = status.st_uid,
                    .gid = status.st_gid,
                    .data = ""};
    switch (status.st_mode & S_IFMT) {
      case S_IFDIR: {
        ASSIGN_OR_RETURN(const UniqueFd fd,
                         OpenAt(parent_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW));
        ASSIGN_OR_RETURN(const bool opaque, CheckAttributes(fd.get(), path));
        if (opaque && options_.is_delta) entry.mark = TreeEntry::Mark::kOpaque;
        if (counted) RETURN_IF_ERROR(Visit(entry, name.size()));
        return Directory(fd.get(), path, depth + 1, counted);
      }
      case S_IFREG: {
        ASSIGN_OR_RETURN(entry.data, File(parent_fd, name, path, counted));
        break;
      }
      case S_IFLNK: {
        if (!counted) break;
        ASSIGN_OR_RETURN(entry.data, Link(parent_fd, name));
        break;
      }
      case S_IFIFO:
      case S_IFSOCK:
        break;  // nothing but a name
      case S_IFCHR:
        if (!options_.is_delta || status.st_rdev != makedev(0, 0)) {
          return Refused(path, "is a device");
        }
        entry = {.path = path, .data = "", .mark = TreeEntry::Mark::kWhiteout};
        break;
      default:
        return Refused(path, "is a device");
    }
    return counted ? Visit(entry, name.size()) : absl::OkStatus();
  }

  absl::StatusOr<std::string> File(int parent_fd, const std::string& name, const std::string& path,
                                   bool counted) {
    ASSIGN_OR_RETURN(const UniqueFd fd,
                     OpenAt(parent_fd, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY));
    RETURN_IF_ERROR(CheckAttributes(fd.get(), path).status());
    if (!counted) return std::string();
    for (;;) {
      const ssize_t count = ::read(fd.get(), buffer_.data(), buffer_.size());
      if (count < 0 && errno == EINTR) continue;
      if (count < 0) {
        return ErrnoError(errno, absl::StrCat("read ", EscapeForPeople(path, 300)));
      }
      if (count == 0) break;
      file_.Update(absl::string_view(buffer_.data(), static_cast<size_t>(count)));
    }
    return file_.FinishHex();
  }

  static absl::StatusOr<std::string> Link(int parent_fd, const std::string& name) {
    char target[4097];
    const ssize_t size = ::readlinkat(parent_fd, name.c_str(), target, sizeof target);
    if (size < 0) return ErrnoError(errno, "readlinkat");
    return std::string(target, static_cast<size_t>(size));
  }

  const TreeDigestOptions& options_;
  const absl::FunctionRef<void(const TreeEntry&)> visit_;
  std::string buffer_;
  Sha256 file_;
  uint64_t entries_ = 0;
  uint64_t bytes_ = 0;
};

}  // namespace

absl::Status TreeListTooLarge(uint64_t bytes_max) {
  return TooLarge(absl::StrCat("the names of the tree take more than ", bytes_max,
                               " bytes (of each file: its path, 64 for its digest, and ",
                               TreeEntry::kOwnBytes, ")"));
}

absl::Status WalkTree(int root_fd, const TreeDigestOptions& options,
                      absl::FunctionRef<void(const TreeEntry&)> visit) {
  RETURN_IF_ERROR(CheckAttributes(root_fd, "").status());
  return Walk(options, visit).Directory(root_fd, "", 0, /*counted=*/true);
}

void AddToDigest(const TreeEntry& entry, Sha256* digest) {
  digest->UpdateField(entry.path);
  digest->UpdateField(absl::StrCat(absl::Hex(entry.mode), " ", entry.uid, " ", entry.gid));
  if (S_ISREG(entry.mode) || S_ISLNK(entry.mode)) digest->UpdateField(entry.data);
}

absl::StatusOr<std::string> DigestTree(int root_fd, const TreeDigestOptions& options) {
  Sha256 digest;
  RETURN_IF_ERROR(
      WalkTree(root_fd, options, [&](const TreeEntry& entry) { AddToDigest(entry, &digest); }));
  return digest.FinishHex();
}

}  // namespace glovebox
