// Copies of a sandbox's disk as it is at one moment, while the sandbox lives.
//
// The image is a file that the kernel writes to through a loop device. What it holds is a
// consistent file system when everything that is dirty in memory was written to it and nothing is
// written while it is copied. Freezing the file system (FIFREEZE) would see to that, but takes 23
// to 52 ms (three waits for an RCU grace period), and a daemon that dies meanwhile leaves processes
// that not even SIGKILL ends. So the sandbox's processes are stopped instead, by their cgroup; the
// disk is flushed until a flush finds nothing to write; it is copied; and the block device's own
// count of writes must be the same at the end as at the beginning. If it is not, whatever wrote (a
// late close of a deleted file, a log of init's), it is done again. A torn copy is never handed
// out.
#ifndef GLOVEBOX_SNAPSHOT_DISK_COPY_H_
#define GLOVEBOX_SNAPSHOT_DISK_COPY_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "snapshot/disk_remover.h"
#include "snapshot/sparse_copy.h"

namespace glovebox {

// How to stop what writes to a disk. `go_on` is called whenever `stop` was.
struct StandStill {
  std::function<absl::Status()> stop;
  std::function<void()> go_on;
  GivenUp given_up;
};

// Makes the empty file `to_fd` a copy of the image behind the disk that `root_fd` is the root of;
// `image_fd`: that image. Returns how long things stood still. ABORTED with reason
// DISK_KEPT_CHANGING when something writes to it all the time although all is stopped, or without a
// reason when it was given up.
absl::StatusOr<absl::Duration> CopyDiskNow(int root_fd, int image_fd, int to_fd,
                                           const StandStill& still);

// An image file below the factory's directory that no disk is made of yet. Destruction removes it,
// unless it became a disk. Not thread-safe; movable.
class DiskImage {
 public:
  DiskImage(std::string path, std::shared_ptr<DiskRemover> remover)
      : path_(std::move(path)), remover_(std::move(remover)) {}
  ~DiskImage() { Remove(); }
  DiskImage(DiskImage&& other) noexcept
      : path_(std::exchange(other.path_, "")), remover_(std::move(other.remover_)) {}
  DiskImage& operator=(DiskImage&& other) noexcept;

  const std::string& path() const { return path_; }

  // Names it below the factory's directory, for DiskFactory::FindImage.
  std::string name() const;

  // What it takes of the host's disk; shared blocks count too.
  absl::StatusOr<uint64_t> BytesOnHost() const;

  // It became a disk, which removes it, or is the next daemon's.
  void Leave() { path_.clear(); }

 private:
  void Remove();
  std::string path_;  // "": it is another's
  std::shared_ptr<DiskRemover> remover_;
};

struct DiskSnapshot {
  DiskImage image;
  absl::Duration frozen;
};

// Makes the root of a copied disk fit for a sandbox of its own: `upper` stays as it is, everything
// else (overlay's work directory with its mark of a volatile mount, output logs, the spare files:
// KeepSpare once it is mounted) goes.
absl::Status KeepOnlyUpper(int root_fd);

}  // namespace glovebox

#endif  // GLOVEBOX_SNAPSHOT_DISK_COPY_H_
