// A disk: a sparse ext4 image without journal on a loop device, attached in the daemon's private
// mount namespace. It has a byte and an inode limit that hold for everything in it (deleted open
// files included), a superblock of its own, and is deleted in one step whatever it holds. Ids on it
// are canonical: 0..65535 are the ids inside a sandbox.
#ifndef GLOVEBOX_SNAPSHOT_DISK_H_
#define GLOVEBOX_SNAPSHOT_DISK_H_

#include <cstdint>
#include <memory>
#include <set>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/unique_fd.h"
#include "linux/loop_device.h"
#include "snapshot/sparse_copy.h"

namespace glovebox {

class DiskImage;
class DiskRemover;
struct DiskSnapshot;
struct StandStill;

// What a payload can use: it gets ENOSPC when used comes within a few blocks of the limit.
struct DiskUsage {
  uint64_t bytes_limit = 0, bytes_used = 0;
  uint64_t inodes_limit = 0, inodes_used = 0;
};

// An attached disk. Destruction detaches it and, unless the image was kept, removes the image file,
// both on the factory's background thread (umount and unlink take 1.5 ms together).
// Not thread-safe; owned by one sandbox, snapshot or image.
class Disk {
 public:
  ~Disk();
  Disk(const Disk&) = delete;
  Disk& operator=(const Disk&) = delete;

  // Names the image below the factory's directory, for DiskFactory::Adopt.
  std::string name() const;
  const std::string& mount_path() const { return mount_path_; }
  const std::string& image_path() const { return image_path_; }
  int root_fd() const { return root_.get(); }  // O_RDONLY directory at the root of the disk

  absl::StatusOr<DiskUsage> Usage() const;

  // From now on destruction only detaches: the image stays for the next daemon.
  void LeaveImage() { owns_image_ = false; }

  // Detaches the disk and moves its image to `image_path` (same file system), read-only from now
  // on. Flushes first, so that what is committed survives a crash of the host. The disk must have
  // no other user (its sandbox has ended): FAILED_PRECONDITION with reason DISK_BUSY when something
  // still has a file open for writing. Takes as long as writing the data to the host's disk does.
  absl::Status SealInto(const std::string& image_path) &&;

 private:
  friend class DiskAttacher;
  Disk(std::string image_path, std::string mount_path, UniqueFd root, bool owns_image,
       std::shared_ptr<DiskRemover> remover);
  std::string image_path_;
  std::string mount_path_;  // empty once detached
  UniqueFd root_;
  bool owns_image_;
  std::shared_ptr<DiskRemover> remover_;
};

// Makes disks. Thread-safe. Keeps blank templates per size and a few attached blank disks of the
// most used size in stock, so that a sandbox does not wait for loop and mount (about 1.7 ms).
class DiskFactory {
 public:
  static constexpr uint64_t kBytesMin = uint64_t{16} << 20;
  static constexpr uint64_t kBytesMax = uint64_t{4} << 40;
  static constexpr int kStockMax = 64;

  // Works below `directory` (templates/, images/, mounts/), removing what an earlier process left
  // there, but for the images named in `kept`. The caller is in a private mount namespace.
  static absl::StatusOr<std::unique_ptr<DiskFactory>> Open(const std::string& directory,
                                                           const std::set<std::string>& kept = {});
  ~DiskFactory();  // returns when every disk destroyed before is gone from the host

  // A blank disk with `upper/` (mode 0755, uid 0) and `work/`. `bytes` is the size of the image,
  // rounded up to 1 MiB; ext4's own tables take up to 3 % of it. `inodes` 0: one per 16 KiB, at
  // least 16384 (or what fits). INVALID_ARGUMENT with reason DISK_SIZE_INVALID outside of
  // kBytesMin..kBytesMax or above one inode per 4 KiB.
  absl::StatusOr<std::unique_ptr<Disk>> Create(uint64_t bytes, uint64_t inodes);

  // A kept image again. When it is on one of `devices` (a sandbox still has it mounted) that very
  // device is mounted once more, which shares its superblock. NOT_FOUND when there is no such
  // image.
  absl::StatusOr<std::unique_ptr<Disk>> Adopt(const std::string& name, const LoopDevices& devices);

  // A copy of the image of `disk` as it is at one moment, while its sandbox lives
  // (snapshot/disk_copy.h). Errors besides CopyDiskNow's and the kernel's: `still`'s, and
  // RESOURCE_EXHAUSTED with reason HOST_FULL.
  absl::StatusOr<DiskSnapshot> CopyNow(const Disk& disk, const StandStill& still);
  // One more of the same. Thread-safe for the same image, too.
  absl::StatusOr<DiskImage> Duplicate(const DiskImage& image, const GivenUp& given_up = nullptr);
  // An image of an earlier process that was kept. NOT_FOUND when there is none.
  absl::StatusOr<DiskImage> FindImage(const std::string& name) const;
  // The disk of a new sandbox, with the files of the image in `upper/`.
  absl::StatusOr<std::unique_ptr<Disk>> Attach(DiskImage image);

  // Attaches a sealed image read-only; the image file stays when the disk goes.
  absl::StatusOr<std::unique_ptr<Disk>> OpenSealed(const std::string& image_path);

  // Waits until every disk that was destroyed so far is off the host.
  void WaitForRemovals();

  // Disks of this size are kept in stock: `count` of them (at most kStockMax), refilled in the
  // background; a refill that fails is tried again after the next Create. Replaces what was asked
  // for before.
  void KeepInStock(uint64_t bytes, uint64_t inodes, int count);
  int in_stock() const;

 private:
  struct State;
  explicit DiskFactory(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace glovebox

#endif  // GLOVEBOX_SNAPSHOT_DISK_H_
