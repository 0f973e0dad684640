#include "snapshot/workspace_capture.h"

#include <fcntl.h>
#include <linux/fs.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <cerrno>
#include <climits>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "linux/file_io.h"
#include "snapshot/directory_list.h"
#include "snapshot/sealed_store.h"
#include "snapshot/tree_digest.h"
#include "snapshot/worker_tree.h"

namespace glovebox {
namespace {

constexpr size_t kNamesMax = 1'000'000;  // of one directory, as in a walk of the result
constexpr size_t kRemovedAtOnce = 10'000;

absl::StatusOr<UniqueFd> OpenDirectory(int parent_fd, const std::string& name) {
  return OpenAt(parent_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
}

absl::StatusOr<struct stat> StatName(int parent_fd, const std::string& name) {
  struct stat status {};
  if (::fstatat(parent_fd, name.c_str(), &status, AT_SYMLINK_NOFOLLOW) == 0) return status;
  return ErrnoError(errno, "fstatat on a captured disk");
}

// A directory comes to `root_fd`, and into `todo`.
absl::Status RemoveOrMove(int directory_fd, const std::string& name, int root_fd, uint64_t* number,
                          std::vector<std::string>* todo) {
  if (::unlinkat(directory_fd, name.c_str(), 0) == 0) return absl::OkStatus();
  if (errno != EISDIR && errno != EPERM) return ErrnoError(errno, "unlinkat of what is left");
  todo->push_back(absl::StrCat(".left-", ++*number));
  if (::renameat(directory_fd, name.c_str(), root_fd, todo->back().c_str()) == 0) {
    return absl::OkStatus();
  }
  return ErrnoError(errno, "renameat of what is left");
}

// Removes the directory `name` however deep it is: directories in it are moved to where it was
// before they are looked into, so that one descriptor is open at a time.
absl::Status RemoveFlat(int root_fd, const std::string& name) {
  std::vector<std::string> todo = {name};
  uint64_t number = 0;
  while (!todo.empty()) {
    const std::string next = std::move(todo.back());
    todo.pop_back();
    {
      ASSIGN_OR_RETURN(const UniqueFd directory, OpenDirectory(root_fd, next));
      for (;;) {  // in parts: however many names a payload made, few are held
        ASSIGN_OR_RETURN(const std::vector<std::string> entries,
                         ListSomeAt(directory.get(), ".", kRemovedAtOnce));
        if (entries.empty()) break;
        for (const std::string& entry : entries) {
          RETURN_IF_ERROR(RemoveOrMove(directory.get(), entry, root_fd, &number, &todo));
        }
      }
    }
    if (::unlinkat(root_fd, next.c_str(), AT_REMOVEDIR) != 0) {
      return ErrnoError(errno, "rmdir of what is left");
    }
  }
  return absl::OkStatus();
}

absl::Status PutWhiteout(int parent_fd, const std::string& name) {
  if (::unlinkat(parent_fd, name.c_str(), 0) != 0) return ErrnoError(errno, "unlinkat of a FIFO");
  if (::mknodat(parent_fd, name.c_str(), S_IFCHR, ::makedev(0, 0)) == 0) return absl::OkStatus();
  return ErrnoError(errno, "mknodat of a whiteout");
}

absl::Status TooLarge(const std::string& what) {
  return DetailedError(
      absl::StatusCode::kResourceExhausted, absl::StrCat("/workspace ", what),
      {"TREE_TOO_LARGE", {{"remedy", "remove files of it, or move them out of /workspace"}}});
}

// Recursion is bounded by the depth that a snapshot may have.
absl::Status DropIpcNames(int directory_fd, int depth, uint64_t* held) {
  if (depth > TreeDigestOptions{}.depth_max) {
    return TooLarge(absl::StrCat("is deeper than ", TreeDigestOptions{}.depth_max, " levels"));
  }
  const auto names = ListDirectoryAt(directory_fd, ".", kNamesMax);
  if (absl::IsResourceExhausted(names.status())) {
    return TooLarge(absl::StrCat("has a directory with more than ", kNamesMax, " names"));
  }
  RETURN_IF_ERROR(names.status());
  // What a walk of the result counts at least: those above are held meanwhile.
  for (const std::string& name : *names) *held += name.size() + TreeEntry::kOwnBytes;
  if (*held > kTreeBytesMax) return TreeListTooLarge();
  for (const std::string& name : *names) {
    ASSIGN_OR_RETURN(const struct stat status, StatName(directory_fd, name));
    if (S_ISFIFO(status.st_mode) || S_ISSOCK(status.st_mode)) {
      RETURN_IF_ERROR(PutWhiteout(directory_fd, name));
    } else if (S_ISDIR(status.st_mode)) {
      ASSIGN_OR_RETURN(const UniqueFd child, OpenDirectory(directory_fd, name));
      RETURN_IF_ERROR(DropIpcNames(child.get(), depth + 1, held));
    }
  }
  return absl::OkStatus();
}

absl::Status NoDirectory() {
  return DetailedError(absl::StatusCode::kFailedPrecondition,
                       "/workspace is not a directory in the sandbox any more",
                       {"CONTENT_REFUSED", {{"path", "/workspace"}}});
}

}  // namespace

absl::Status KeepWorkspace(const Disk& disk) {
  const int root_fd = disk.root_fd();
  struct stat status {};
  if (::fstatat(root_fd, "upper/workspace", &status, AT_SYMLINK_NOFOLLOW) == 0) {
    if (!S_ISDIR(status.st_mode)) return NoDirectory();
    RETURN_IF_ERROR(KeepWorkerTree(disk, "workspace", "workspace"));
    ASSIGN_OR_RETURN(const UniqueFd workspace,
                     OpenDirectory(root_fd, absl::StrCat(SealedStore::kRoot, "/workspace")));
    uint64_t held = 0;
    RETURN_IF_ERROR(DropIpcNames(workspace.get(), 1, &held));
  } else if (errno == ENOENT) {
    RETURN_IF_ERROR(MakeDirectoryAt(root_fd, SealedStore::kRoot, 0755));
  } else {
    return ErrnoError(errno, "fstatat of upper/workspace");
  }
  for (const char* name : {"upper", "work"}) RETURN_IF_ERROR(RemoveFlat(root_fd, name));
  // What was removed is given back to the host and is not in the image any more. Where the host's
  // file system cannot do that, it only takes room.
  fstrim_range all{0, ULLONG_MAX, 0};
  (void)::ioctl(root_fd, FITRIM, &all);
  return absl::OkStatus();
}

}  // namespace glovebox
