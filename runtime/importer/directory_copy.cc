#include "importer/directory_copy.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <climits>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "importer/entry_name.h"
#include "importer/refusal.h"
#include "linux/file_io.h"
#include "snapshot/directory_list.h"

namespace glovebox {
namespace {

constexpr size_t kNamesMax = 1'000'000;
constexpr size_t kPieceBytes = 256 * 1024;

EntryAttributes AttributesOf(const struct stat& status) {
  return {.mode = status.st_mode & 07777, .uid = 0, .gid = 0, .modified = status.st_mtim};
}

absl::Status Unreadable(int error, const std::string& name) {
  if (error == EACCES || error == EPERM) {
    return RefuseEntry(name, "cannot be read by the owner of the directory");
  }
  if (error == ENOENT) return RefuseEntry(name, "was removed while the directory was copied");
  return ErrnoError(error, absl::StrCat("read ", name.substr(0, 160)));
}

class Copying {
 public:
  Copying(TreeWriter* writer, ProgressReport* progress)
      : writer_(writer), progress_(progress), buffer_(kPieceBytes, '\0') {}

  // Recursion is bounded by kDepthMax.
  absl::Status Directory(int fd, const std::string& name) {
    struct stat status {};
    if (::fstat(fd, &status) != 0) return Unreadable(errno, name);
    RETURN_IF_ERROR(writer_->Directory(name, AttributesOf(status)));
    ASSIGN_OR_RETURN(const std::vector<std::string> entries, ListDirectoryAt(fd, ".", kNamesMax));
    for (const std::string& entry : entries) {
      ASSIGN_OR_RETURN(const std::string path,
                       NormalizeName(name.empty() ? entry : absl::StrCat(name, "/", entry),
                                     AbsoluteNames::kRefused));
      RETURN_IF_ERROR(Entry(fd, entry, path));
    }
    return absl::OkStatus();
  }

 private:
  absl::Status Entry(int parent, const std::string& entry, const std::string& path) {
    struct stat status {};
    if (::fstatat(parent, entry.c_str(), &status, AT_SYMLINK_NOFOLLOW) != 0) {
      return Unreadable(errno, path);
    }
    switch (status.st_mode & S_IFMT) {
      case S_IFDIR: {
        const UniqueFd fd(
            ::openat(parent, entry.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
        if (!fd.valid()) return Unreadable(errno, path);
        return Directory(fd.get(), path);
      }
      case S_IFREG:
        return File(parent, entry, path, status);
      case S_IFLNK: {
        char target[PATH_MAX];
        const ssize_t size = ::readlinkat(parent, entry.c_str(), target, sizeof target);
        if (size < 0) return Unreadable(errno, path);
        return writer_->Symlink(path, std::string(target, static_cast<size_t>(size)),
                                AttributesOf(status));
      }
      case S_IFIFO:
        return RefuseEntry(path, "is a FIFO");
      case S_IFSOCK:
        return RefuseEntry(path, "is a socket");
      default:
        return RefuseEntry(path, "is a device");
    }
  }

  absl::Status File(int parent, const std::string& entry, const std::string& path,
                    const struct stat& status) {
    if (status.st_nlink > 1) {
      const auto [first, is_first] = linked_.try_emplace({status.st_dev, status.st_ino}, path);
      if (!is_first) return writer_->HardLink(path, first->second);
    }
    const UniqueFd from(
        ::openat(parent, entry.c_str(), O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC));
    if (!from.valid()) return Unreadable(errno, path);
    const auto size = static_cast<uint64_t>(status.st_size);
    const EntryAttributes attributes = AttributesOf(status);
    ASSIGN_OR_RETURN(const UniqueFd to, writer_->BeginFile(path, size, attributes));
    RETURN_IF_ERROR(Content(from.get(), to.get(), path, size));
    return writer_->EndFile(to.get(), path, size, attributes);
  }

  absl::Status Content(int from, int to, const std::string& path, uint64_t size) {
    uint64_t offset = 0;
    while (offset < size) {
      // Not every file system knows its holes; those that do not have none.
      const off_t data = ::lseek(from, static_cast<off_t>(offset), SEEK_DATA);
      if (data < 0 && errno == ENXIO) return absl::OkStatus();
      if (data >= 0) offset = static_cast<uint64_t>(data);
      if (offset >= size) return absl::OkStatus();
      const size_t wanted = std::min<uint64_t>(buffer_.size(), size - offset);
      const ssize_t count = ::pread(from, buffer_.data(), wanted, static_cast<off_t>(offset));
      if (count < 0 && errno == EINTR) continue;
      if (count < 0) return Unreadable(errno, path);
      if (count == 0) return RefuseEntry(path, "became shorter while it was copied");
      const auto bytes = static_cast<size_t>(count);
      RETURN_IF_ERROR(writer_->Write(to, offset, absl::string_view(buffer_.data(), bytes)));
      progress_->AddBytes(bytes);
      offset += bytes;
    }
    return absl::OkStatus();
  }

  TreeWriter* const writer_;
  ProgressReport* const progress_;
  std::string buffer_;
  std::map<std::pair<dev_t, ino_t>, std::string> linked_;  // where a file with more names is
};

}  // namespace

absl::Status CopyDirectory(UniqueFd from, TreeWriter* writer, ProgressReport* progress) {
  return Copying(writer, progress).Directory(from.get(), "");
}

}  // namespace glovebox
