#include "snapshot/sparse_copy.h"

#include <fcntl.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <functional>
#include <vector>

#include "absl/status/statusor.h"
#include "base/status.h"

namespace glovebox {
namespace {

constexpr size_t kBlock = 4096;
constexpr size_t kBufferBytes = 256 * 1024;  // stays in the processor's cache

absl::Status WriteRange(int fd, const char* data, size_t size, off_t at) {
  while (size > 0) {
    const ssize_t written = ::pwrite(fd, data, size, at);
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return ErrnoError(errno, "pwrite of a disk image");
    data += written;
    size -= static_cast<size_t>(written);
    at += written;
  }
  return absl::OkStatus();
}

// All of the range, or DATA_LOSS.
absl::Status ReadRange(int fd, char* data, size_t size, off_t at) {
  while (size > 0) {
    const ssize_t count = ::pread(fd, data, size, at);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return ErrnoError(errno, "pread of a disk image");
    if (count == 0) return absl::DataLossError("a disk image is shorter than it was");
    data += count;
    size -= static_cast<size_t>(count);
    at += count;
  }
  return absl::OkStatus();
}

// Calls `each` with the ranges of data, and those of holes, in order.
using Range = std::function<absl::Status(off_t begin, off_t end, bool data)>;
absl::Status ForEachRange(int fd, off_t size, const Range& each) {
  off_t at = 0;
  while (at < size) {
    off_t begin = ::lseek(fd, at, SEEK_DATA);
    if (begin < 0 && errno != ENXIO) return ErrnoError(errno, "lseek SEEK_DATA");
    if (begin < 0) begin = size;  // only a hole is left
    if (begin > at) RETURN_IF_ERROR(each(at, begin, false));
    if (begin >= size) return absl::OkStatus();
    const off_t end = ::lseek(fd, begin, SEEK_HOLE);
    if (end < 0) return ErrnoError(errno, "lseek SEEK_HOLE");
    RETURN_IF_ERROR(each(begin, end, true));
    at = end;
  }
  return absl::OkStatus();
}

absl::StatusOr<off_t> SizeOf(int fd) {
  struct stat status {};
  if (::fstat(fd, &status) != 0) return ErrnoError(errno, "fstat of a disk image");
  return status.st_size;
}

// Writes the blocks of `wanted` that `there` does not have.
absl::Status WriteDifferences(int fd, const std::vector<char>& wanted,
                              const std::vector<char>& there, size_t size, off_t at) {
  for (size_t block = 0; block < size; block += kBlock) {
    const size_t part = std::min(kBlock, size - block);
    if (std::memcmp(wanted.data() + block, there.data() + block, part) == 0) continue;
    RETURN_IF_ERROR(WriteRange(fd, wanted.data() + block, part, at + static_cast<off_t>(block)));
  }
  return absl::OkStatus();
}

absl::Status CheckWanted(const GivenUp& given_up) {
  if (given_up == nullptr || !given_up()) return absl::OkStatus();
  return absl::AbortedError("nobody wants the copy of a disk any more");
}

}  // namespace

absl::Status ShareBlocks(int from_fd, int to_fd) {
  if (::ioctl(to_fd, FICLONE, from_fd) == 0) return absl::OkStatus();
  if (errno == EOPNOTSUPP || errno == EXDEV || errno == EINVAL || errno == ENOTTY) {
    return absl::UnimplementedError("this file system does not share blocks");
  }
  return ErrnoError(errno, "FICLONE of a disk image");
}

absl::Status CopySparse(int from_fd, int to_fd, const GivenUp& given_up) {
  absl::Status shared = ShareBlocks(from_fd, to_fd);
  if (!absl::IsUnimplemented(shared)) return shared;
  ASSIGN_OR_RETURN(const off_t size, SizeOf(from_fd));
  if (::ftruncate(to_fd, size) != 0) return ErrnoError(errno, "ftruncate a disk image");
  std::vector<char> buffer(kBufferBytes);
  return ForEachRange(from_fd, size, [&](off_t begin, off_t end, bool data) -> absl::Status {
    while (data && begin < end) {
      RETURN_IF_ERROR(CheckWanted(given_up));
      const size_t part = std::min(buffer.size(), static_cast<size_t>(end - begin));
      RETURN_IF_ERROR(ReadRange(from_fd, buffer.data(), part, begin));
      RETURN_IF_ERROR(WriteRange(to_fd, buffer.data(), part, begin));
      begin += static_cast<off_t>(part);
    }
    return absl::OkStatus();
  });
}

absl::Status UpdateCopy(int from_fd, int to_fd, const GivenUp& given_up) {
  ASSIGN_OR_RETURN(const off_t size, SizeOf(from_fd));
  if (::ftruncate(to_fd, size) != 0) return ErrnoError(errno, "ftruncate a disk image");
  std::vector<char> wanted(kBufferBytes);
  std::vector<char> there(kBufferBytes);
  return ForEachRange(from_fd, size, [&](off_t begin, off_t end, bool data) -> absl::Status {
    if (!data) {
      // No more than a look at the extents where there is a hole already.
      if (::fallocate(to_fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, begin, end - begin) != 0) {
        return ErrnoError(errno, "fallocate PUNCH_HOLE of a disk image");
      }
      return absl::OkStatus();
    }
    while (begin < end) {
      RETURN_IF_ERROR(CheckWanted(given_up));
      const size_t part = std::min(wanted.size(), static_cast<size_t>(end - begin));
      RETURN_IF_ERROR(ReadRange(from_fd, wanted.data(), part, begin));
      RETURN_IF_ERROR(ReadRange(to_fd, there.data(), part, begin));
      RETURN_IF_ERROR(WriteDifferences(to_fd, wanted, there, part, begin));
      begin += static_cast<off_t>(part);
    }
    return absl::OkStatus();
  });
}

}  // namespace glovebox
