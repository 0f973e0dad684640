#include "snapshot/disk.h"

#include <fcntl.h>
#include <linux/mount.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <optional>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "linux/file_io.h"
#include "linux/loop_device.h"
#include "linux/mount.h"
#include "snapshot/disk_attach.h"
#include "snapshot/disk_remover.h"

namespace glovebox {
namespace {

absl::Status FlushFile(const std::string& path, int flags) {
  ASSIGN_OR_RETURN(const UniqueFd fd, OpenAt(AT_FDCWD, path, flags | O_RDONLY));
  if (::fsync(fd.get()) != 0) return ErrnoError(errno, absl::StrCat("fsync ", path));
  return absl::OkStatus();
}

std::string ParentOf(const std::string& path) { return path.substr(0, path.rfind('/')); }

}  // namespace

absl::StatusOr<UniqueFd> MountImage(const std::string& image_path, bool read_only,
                                    const LoopDevices* devices) {
  ASSIGN_OR_RETURN(const UniqueFd image,
                   OpenAt(AT_FDCWD, image_path, (read_only ? O_RDONLY : O_RDWR) | O_NOFOLLOW));
  std::optional<LoopDevice> loop;
  if (devices != nullptr) {
    ASSIGN_OR_RETURN(loop, devices->Open(image.get(), read_only));
  }
  if (!loop.has_value()) {
    ASSIGN_OR_RETURN(loop, AttachLoopDevice(image.get(), read_only));
  }
  std::vector<std::pair<std::string, std::string>> options;
  uint64_t attributes = MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOATIME;
  if (read_only) {
    options = {{"ro", ""}};
    attributes |= MOUNT_ATTR_RDONLY;
  } else {
    // nobarrier: an fsync(2) inside ends in the host's page cache and cannot make the host's disk
    // wait; what must survive is flushed by SealInto. noinit_itable: no kernel thread that zeroes
    // tables which are holes already.
    options = {{"noinit_itable", ""}, {"nobarrier", ""}, {"errors", "remount-ro"}};
  }
  return MakeMount("ext4", loop->path, options, attributes);
}

absl::StatusOr<std::unique_ptr<Disk>> DiskAttacher::Attach(const std::string& image_path,
                                                           const std::string& mount_path,
                                                           bool read_only,
                                                           std::shared_ptr<DiskRemover> remover,
                                                           const LoopDevices* devices) {
  ASSIGN_OR_RETURN(const UniqueFd mount, MountImage(image_path, read_only, devices));
  ASSIGN_OR_RETURN(UniqueFd root, OpenAt(mount.get(), ".", O_RDONLY | O_DIRECTORY));
  RETURN_IF_ERROR(MakeDirectoryAt(AT_FDCWD, mount_path, 0700));
  const absl::Status attached = AttachMount(mount.get(), mount_path);
  if (!attached.ok()) {
    (void)::rmdir(mount_path.c_str());  // empty, and ours
    return attached;
  }
  return std::unique_ptr<Disk>(
      new Disk(image_path, mount_path, std::move(root), !read_only, std::move(remover)));
}

Disk::Disk(std::string image_path, std::string mount_path, UniqueFd root, bool owns_image,
           std::shared_ptr<DiskRemover> remover)
    : image_path_(std::move(image_path)),
      mount_path_(std::move(mount_path)),
      root_(std::move(root)),
      owns_image_(owns_image),
      remover_(std::move(remover)) {}

std::string Disk::name() const {
  const std::string file = image_path_.substr(image_path_.rfind('/') + 1);
  return file.substr(0, file.find('.'));
}

Disk::~Disk() {
  root_.Reset();  // else the file system would outlive the mount
  remover_->Remove({mount_path_, owns_image_ ? image_path_ : ""});
}

absl::StatusOr<DiskUsage> Disk::Usage() const {
  struct statfs status {};
  if (::fstatfs(root_.get(), &status) != 0) return ErrnoError(errno, "fstatfs");
  // f_bavail leaves out the blocks that ext4 reserves for itself and never gives to a payload.
  const auto block = static_cast<uint64_t>(status.f_bsize);
  const uint64_t used = status.f_blocks - status.f_bfree;
  return DiskUsage{.bytes_limit = (used + status.f_bavail) * block,
                   .bytes_used = used * block,
                   .inodes_limit = status.f_files,
                   .inodes_used = status.f_files - status.f_ffree};
}

absl::Status Disk::SealInto(const std::string& image_path) && {
  // Read-only for the whole superblock, so for every clone of the mount too; flushes it. The kernel
  // refuses with EBUSY while a file is open for writing or open and deleted.
  if (::mount(nullptr, mount_path_.c_str(), nullptr,
              MS_REMOUNT | MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOATIME, nullptr) != 0) {
    if (errno != EBUSY) return ErrnoError(errno, absl::StrCat("remount read-only ", mount_path_));
    return DetailedError(absl::StatusCode::kFailedPrecondition,
                         "the disk is still being written to and cannot be sealed",
                         {"DISK_BUSY", {{"path", mount_path_}}});
  }
  root_.Reset();
  RETURN_IF_ERROR(DetachMount(mount_path_));
  (void)::rmdir(mount_path_.c_str());  // an empty directory that stays is removed at the next Open
  mount_path_.clear();
  if (::chmod(image_path_.c_str(), 0400) != 0) return ErrnoError(errno, "chmod of a sealed image");
  RETURN_IF_ERROR(FlushFile(image_path_, 0));
  if (::rename(image_path_.c_str(), image_path.c_str()) != 0) {
    return ErrnoError(errno, absl::StrCat("rename of a sealed image to ", image_path));
  }
  owns_image_ = false;
  return FlushFile(ParentOf(image_path), O_DIRECTORY);
}

}  // namespace glovebox
