#include "linux/loop_device.h"

#include <dirent.h>
#include <fcntl.h>
#include <linux/loop.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <cerrno>
#include <memory>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
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

// The file behind a bound device; nullopt for a free one.
absl::StatusOr<std::optional<std::pair<uint64_t, uint64_t>>> BackingFile(int device_fd) {
  loop_info64 info{};
  if (::ioctl(device_fd, LOOP_GET_STATUS64, &info) != 0) {
    if (errno == ENXIO) return std::nullopt;
    return ErrnoError(errno, "LOOP_GET_STATUS64");
  }
  return std::make_pair(uint64_t{info.lo_device}, uint64_t{info.lo_inode});
}

struct CloseDirectory {
  void operator()(DIR* directory) const { (void)::closedir(directory); }  // only read
};

// Numbers of the devices that sysfs shows as bound: a host may have thousands of free ones.
absl::StatusOr<std::vector<int>> BoundNumbers() {
  const std::unique_ptr<DIR, CloseDirectory> directory(::opendir("/sys/block"));
  if (directory == nullptr) return ErrnoError(errno, "opendir /sys/block");
  std::vector<int> numbers;
  for (;;) {
    errno = 0;
    const dirent* entry = ::readdir(directory.get());
    if (entry == nullptr) break;
    absl::string_view name = entry->d_name;
    int number = 0;
    if (!absl::ConsumePrefix(&name, "loop") || !absl::SimpleAtoi(name, &number)) continue;
    const std::string bound = absl::StrCat("/sys/block/loop", number, "/loop/backing_file");
    if (::access(bound.c_str(), F_OK) == 0) numbers.push_back(number);
  }
  if (errno != 0) return ErrnoError(errno, "readdir /sys/block");
  return numbers;
}

}  // namespace

absl::StatusOr<LoopDevices> LoopDevices::List() {
  LoopDevices devices;
  ASSIGN_OR_RETURN(const std::vector<int> numbers, BoundNumbers());
  for (const int number : numbers) {
    const absl::StatusOr<UniqueFd> device =
        OpenNode(absl::StrCat("/dev/loop", number), number, /*read_only=*/true);
    if (!device.ok()) continue;  // removed meanwhile, or another's that we may not open
    ASSIGN_OR_RETURN(const auto file, BackingFile(device->get()));
    if (file.has_value()) devices.numbers_.emplace(*file, number);
  }
  return devices;
}

absl::StatusOr<std::optional<LoopDevice>> LoopDevices::Open(int image_fd, bool read_only) const {
  struct stat status {};
  if (::fstat(image_fd, &status) != 0) return ErrnoError(errno, "fstat of a disk image");
  const std::pair<uint64_t, uint64_t> file(status.st_dev, status.st_ino);
  const auto it = numbers_.find(file);
  if (it == numbers_.end()) return std::nullopt;
  const std::string path = absl::StrCat("/dev/loop", it->second);
  ASSIGN_OR_RETURN(UniqueFd device, OpenNode(path, it->second, read_only));
  // Held open it cannot be given to another file any more.
  ASSIGN_OR_RETURN(const auto now, BackingFile(device.get()));
  if (now != file) return std::nullopt;
  return LoopDevice{std::move(device), path};
}

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
