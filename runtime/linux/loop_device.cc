#include "linux/loop_device.h"

#include <fcntl.h>
#include <linux/loop.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include <cerrno>

#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "linux/file_io.h"

namespace glovebox {
namespace {

constexpr int kTries = 64;
constexpr unsigned kLoopMajor = 7;

// devtmpfs makes the node when the kernel makes the device; a /dev that is not devtmpfs (a
// container's) does not.
absl::StatusOr<UniqueFd> OpenNode(const std::string& path, int number, bool read_only) {
  const int flags = (read_only ? O_RDONLY : O_RDWR) | O_NOFOLLOW;
  absl::StatusOr<UniqueFd> fd = OpenAt(AT_FDCWD, path, flags);
  if (!absl::IsNotFound(fd.status())) return fd;
  const dev_t device = ::makedev(kLoopMajor, static_cast<unsigned>(number));
  if (::mknod(path.c_str(), S_IFBLK | 0660, device) != 0 && errno != EEXIST) {
    return ErrnoError(errno, absl::StrCat("mknod ", path));
  }
  return OpenAt(AT_FDCWD, path, flags);
}

}  // namespace

absl::StatusOr<LoopDevice> AttachLoopDevice(int image_fd, bool read_only) {
  ASSIGN_OR_RETURN(UniqueFd control, OpenAt(AT_FDCWD, "/dev/loop-control", O_RDWR));
  for (int attempt = 0; attempt < kTries; ++attempt) {
    const int number = ::ioctl(control.get(), LOOP_CTL_GET_FREE);
    if (number < 0) return ErrnoError(errno, "LOOP_CTL_GET_FREE");
    const std::string path = absl::StrCat("/dev/loop", number);
    ASSIGN_OR_RETURN(UniqueFd device, OpenNode(path, number, read_only));
    loop_config config{};
    config.fd = static_cast<__u32>(image_fd);
    config.block_size = 4096;
    config.info.lo_flags = LO_FLAGS_AUTOCLEAR;
    if (read_only) config.info.lo_flags |= LO_FLAGS_READ_ONLY;
    if (::ioctl(device.get(), LOOP_CONFIGURE, &config) == 0) {
      return LoopDevice{std::move(device), path};
    }
    // EBUSY: somebody took the number between the two calls.
    if (errno != EBUSY) return ErrnoError(errno, absl::StrCat("LOOP_CONFIGURE ", path));
  }
  return DetailedError(absl::StatusCode::kResourceExhausted, "no free loop device",
                       {"LOOP_DEVICES_EXHAUSTED",
                        {{"remedy", "raise the kernel parameter max_loop or end other users"}}});
}

}  // namespace glovebox
