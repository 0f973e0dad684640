#include "snapshot/disk_copy.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <utility>
#include <vector>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/str_cat.h"
#include "base/clock.h"
#include "base/status.h"
#include "linux/block_device.h"
#include "linux/file_io.h"
#include "snapshot/directory_list.h"
#include "snapshot/sparse_copy.h"

namespace glovebox {
namespace {

constexpr int kTries = 16;
// Less is copied sooner than it is compared.
constexpr off_t kCopiedAheadMin = off_t{1} << 20;
constexpr size_t kRootNamesMax = 64;

absl::Status Flush(int root_fd) {
  if (::syncfs(root_fd) == 0) return absl::OkStatus();
  return ErrnoError(errno, "syncfs of a sandbox's disk");
}

absl::StatusOr<off_t> BytesOf(int fd) {
  struct stat status {};
  if (::fstat(fd, &status) != 0) return ErrnoError(errno, "fstat of a disk image");
  return status.st_blocks * 512;
}

class DiskWrites {
 public:
  static absl::StatusOr<DiskWrites> Of(int root_fd) {
    struct stat status {};
    if (::fstat(root_fd, &status) != 0) return ErrnoError(errno, "fstat of a sandbox's disk");
    return DiskWrites(status.st_dev);
  }
  // nullopt while one is on its way.
  absl::StatusOr<std::optional<uint64_t>> Completed() const {
    ASSIGN_OR_RETURN(const BlockWrites writes, ReadBlockWrites(device_));
    if (writes.in_flight > 0) return std::nullopt;
    return writes.completed;
  }

 private:
  explicit DiskWrites(dev_t device) : device_(device) {}
  dev_t device_;
};

absl::Status KeptChanging() {
  return DetailedError(absl::StatusCode::kAborted,
                       "the sandbox's disk changed while it was copied, again and again; try again",
                       {"DISK_KEPT_CHANGING", {}});
}

// Everything is stopped. `copy` is repeated until nothing was written meanwhile.
absl::Status CopyUnchanged(int root_fd, const DiskWrites& writes,
                           const std::function<absl::Status(bool again)>& copy) {
  for (int attempt = 0; attempt < kTries; ++attempt) {
    RETURN_IF_ERROR(Flush(root_fd));
    ASSIGN_OR_RETURN(const auto before, writes.Completed());
    RETURN_IF_ERROR(Flush(root_fd));
    ASSIGN_OR_RETURN(const auto flushed, writes.Completed());
    if (!before.has_value() || flushed != before) continue;  // that was not all
    RETURN_IF_ERROR(copy(attempt > 0));
    ASSIGN_OR_RETURN(const auto after, writes.Completed());
    if (after == before) return absl::OkStatus();
  }
  return KeptChanging();
}

}  // namespace

absl::StatusOr<absl::Duration> CopyDiskNow(int root_fd, int image_fd, int to_fd,
                                           const StandStill& still) {
  const RealClock clock;
  ASSIGN_OR_RETURN(const DiskWrites writes, DiskWrites::Of(root_fd));
  // What is done here need not be done while all stands still.
  RETURN_IF_ERROR(Flush(root_fd));
  const absl::Status shared = ShareBlocks(image_fd, to_fd);
  const bool shares = shared.ok();
  if (!shares && !absl::IsUnimplemented(shared)) return shared;
  ASSIGN_OR_RETURN(const off_t bytes, BytesOf(image_fd));
  const bool copied_ahead = !shares && bytes >= kCopiedAheadMin;
  if (copied_ahead) RETURN_IF_ERROR(CopySparse(image_fd, to_fd, still.given_up));
  const int64_t begin_ns = clock.MonotonicNanos();
  {
    const absl::Cleanup go_on = [&still] { still.go_on(); };
    RETURN_IF_ERROR(still.stop());
    RETURN_IF_ERROR(CopyUnchanged(root_fd, writes, [&](bool again) {
      if (shares) return ShareBlocks(image_fd, to_fd);
      return copied_ahead || again ? UpdateCopy(image_fd, to_fd, still.given_up)
                                   : CopySparse(image_fd, to_fd, still.given_up);
    }));
  }
  return absl::Nanoseconds(clock.MonotonicNanos() - begin_ns);
}

DiskImage& DiskImage::operator=(DiskImage&& other) noexcept {
  if (this == &other) return *this;
  Remove();
  path_ = std::exchange(other.path_, "");
  remover_ = std::move(other.remover_);
  return *this;
}

std::string DiskImage::name() const {
  const std::string file = path_.substr(path_.rfind('/') + 1);
  return file.substr(0, file.find('.'));
}

absl::StatusOr<uint64_t> DiskImage::BytesOnHost() const {
  struct stat status {};
  if (::lstat(path_.c_str(), &status) != 0) return ErrnoError(errno, absl::StrCat("lstat ", path_));
  return static_cast<uint64_t>(status.st_blocks) * 512;
}

void DiskImage::Remove() {
  if (!path_.empty()) remover_->Remove({"", std::exchange(path_, "")});
}

absl::Status KeepOnlyUpper(int root_fd) {
  ASSIGN_OR_RETURN(const std::vector<std::string> names,
                   ListDirectoryAt(root_fd, ".", kRootNamesMax));
  for (const std::string& name : names) {
    if (name != "upper") RETURN_IF_ERROR(RemoveTreeAt(root_fd, name));
  }
  return MakeDirectoryAt(root_fd, "work", 0755);
}

}  // namespace glovebox
