#include "snapshot/disk_template.h"

#include <fcntl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstdio>
#include <thread>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "linux/file_io.h"
#include "linux/mount.h"
#include "linux/process.h"
#include "snapshot/disk_attach.h"
#include "snapshot/disk_spare.h"

namespace glovebox {
namespace {

constexpr int kMakeTimeoutMs = 60'000;
constexpr int kReadOnlyTries = 1000;
constexpr auto kReadOnlyPause = std::chrono::milliseconds(1);

// Writes the file system out to its image and has it write nothing more. Unmounting alone would
// not: a mount namespace that another thread's child made meanwhile has a copy of the mount, and
// keeps the file system and what it has not yet written until it lets go of it. EBUSY: such a child
// has a file of it open for writing until its execve.
absl::Status FinishBlank(const std::string& mount_path) {
  for (int attempt = 1;; ++attempt) {
    if (::mount(nullptr, mount_path.c_str(), nullptr,
                MS_REMOUNT | MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOATIME, nullptr) == 0) {
      return absl::OkStatus();
    }
    if (errno != EBUSY || attempt == kReadOnlyTries) {
      return ErrnoError(errno, absl::StrCat("remount read-only ", mount_path));
    }
    std::this_thread::sleep_for(kReadOnlyPause);
  }
}

// The first mount of an image: the directories that every sandbox needs, and no lost+found.
absl::Status FillBlank(const std::string& image_path, const std::string& mount_path) {
  ASSIGN_OR_RETURN(const UniqueFd mount, MountImage(image_path, /*read_only=*/false));
  RETURN_IF_ERROR(MakeDirectoryAt(AT_FDCWD, mount_path, 0700));
  absl::Cleanup remove = [&] { (void)::rmdir(mount_path.c_str()); };  // empty, and ours
  RETURN_IF_ERROR(AttachMount(mount.get(), mount_path));
  absl::Cleanup detach = [&] { (void)DetachMount(mount_path); };  // the next Open retries
  ASSIGN_OR_RETURN(const UniqueFd root, OpenAt(AT_FDCWD, mount_path, O_RDONLY | O_DIRECTORY));
  if (::unlinkat(root.get(), "lost+found", AT_REMOVEDIR) != 0) {
    return ErrnoError(errno, "rmdir lost+found");
  }
  RETURN_IF_ERROR(MakeDirectoryAt(root.get(), "work", 0755));
  RETURN_IF_ERROR(MakeDirectoryAt(root.get(), "upper", 0755));
  RETURN_IF_ERROR(KeepSpare(root.get()));
  // Whatever this process's umask is.
  if (::fchmodat(root.get(), "upper", 0755, 0) != 0) return ErrnoError(errno, "fchmodat upper");
  return FinishBlank(mount_path);
}

}  // namespace

DiskTemplates::DiskTemplates(std::string directory, std::string mounts_directory)
    : directory_(std::move(directory)), mounts_directory_(std::move(mounts_directory)) {}

std::string DiskTemplates::PathOf(const Size& size) const {
  return absl::StrCat(directory_, "/", size.first, "-", size.second, ".img");
}

absl::StatusOr<UniqueFd> DiskTemplates::Open(uint64_t bytes, uint64_t inodes) {
  const Size size{bytes, inodes};
  const std::lock_guard lock(mutex_);
  if (std::find(made_.begin(), made_.end(), size) == made_.end()) {
    RETURN_IF_ERROR(Make(size));
    made_.push_back(size);
  }
  if (made_.size() > kTemplatesMax) {
    (void)::unlink(PathOf(made_.front()).c_str());  // who copies it has it open
    made_.pop_front();
  }
  return OpenAt(AT_FDCWD, PathOf(size), O_RDONLY);
}

absl::Status DiskTemplates::Make(const Size& size) const {
  const std::string path = PathOf(size);
  const std::string staged = absl::StrCat(path, ".staged");
  absl::Cleanup remove = [&] { (void)::unlink(staged.c_str()); };  // gone already when renamed
  {
    ASSIGN_OR_RETURN(const UniqueFd image,
                     OpenAt(AT_FDCWD, staged, O_RDWR | O_CREAT | O_TRUNC, 0600));
    if (::ftruncate(image.get(), static_cast<off_t>(size.first)) != 0) {
      return ErrnoError(errno, "ftruncate a disk template");
    }
  }
  // No journal: a disk either ends with its sandbox or is sealed after a flush. The inode tables
  // need no zeroing because the file is a hole. -b: LOOP_CONFIGURE asks for sectors of 4096 bytes.
  RETURN_IF_ERROR(RunHostTool({"/sbin/mke2fs", "-q", "-F", "-t", "ext4", "-b", "4096", "-O",
                               "^has_journal,^resize_inode,^huge_file", "-E",
                               "assume_storage_prezeroed=1,nodiscard,root_owner=0:0", "-m", "0",
                               "-N", absl::StrCat(size.second), "-I", "256", staged},
                              kMakeTimeoutMs));
  RETURN_IF_ERROR(FillBlank(
      staged, absl::StrCat(mounts_directory_, "/template-", size.first, "-", size.second)));
  if (::rename(staged.c_str(), path.c_str()) != 0) return ErrnoError(errno, "rename a template");
  return absl::OkStatus();
}

}  // namespace glovebox
