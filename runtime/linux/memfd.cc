#include "linux/memfd.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "linux/file_io.h"

namespace glovebox {
namespace {

constexpr unsigned kNoExecSeal = 0x0008u;  // MFD_NOEXEC_SEAL, Linux 6.3; absent from glibc 2.36
constexpr unsigned kExec = 0x0010u;        // MFD_EXEC

absl::StatusOr<UniqueFd> CreateMemfd(const std::string& name, bool executable) {
  const unsigned flags = MFD_CLOEXEC | MFD_ALLOW_SEALING;
  int fd = ::memfd_create(name.c_str(), flags | (executable ? kExec : kNoExecSeal));
  // Kernels before 6.3 know neither flag; there every memfd is executable.
  if (fd < 0 && errno == EINVAL) fd = ::memfd_create(name.c_str(), flags);
  if (fd < 0) return ErrnoError(errno, absl::StrCat("memfd_create ", name));
  return UniqueFd(fd);
}

}  // namespace

absl::StatusOr<UniqueFd> MakeSealedMemfd(const std::string& name, absl::string_view content,
                                         bool executable) {
  ASSIGN_OR_RETURN(UniqueFd fd, CreateMemfd(name, executable));
  RETURN_IF_ERROR(WriteAll(fd.get(), content));
  // The mode is checked with the ids of the sandbox, which has no user on the host.
  if (::fchmod(fd.get(), executable ? 0555 : 0444) != 0) return ErrnoError(errno, "fchmod memfd");
  const int seals = F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE;
  if (::fcntl(fd.get(), F_ADD_SEALS, seals) != 0) return ErrnoError(errno, "F_ADD_SEALS");
  return fd;
}

absl::StatusOr<UniqueFd> MakeFixedSizeMemfd(const std::string& name, size_t size) {
  ASSIGN_OR_RETURN(UniqueFd fd, CreateMemfd(name, /*executable=*/false));
  if (::ftruncate(fd.get(), static_cast<off_t>(size)) != 0) {
    return ErrnoError(errno, absl::StrCat("ftruncate memfd to ", size));
  }
  const int seals = F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW;
  if (::fcntl(fd.get(), F_ADD_SEALS, seals) != 0) return ErrnoError(errno, "F_ADD_SEALS");
  return fd;
}

SharedMapping::SharedMapping(SharedMapping&& other) noexcept
    : data_(std::exchange(other.data_, nullptr)), size_(std::exchange(other.size_, 0)) {}

SharedMapping& SharedMapping::operator=(SharedMapping&& other) noexcept {
  std::swap(data_, other.data_);
  std::swap(size_, other.size_);
  return *this;
}

SharedMapping::~SharedMapping() {
  if (data_ != nullptr) (void)::munmap(data_, size_);  // fails only for an invalid range
}

absl::StatusOr<SharedMapping> SharedMapping::Map(int fd, size_t size) {
  void* data = ::mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  if (data == MAP_FAILED) return ErrnoError(errno, absl::StrCat("mmap of ", size, " bytes"));
  SharedMapping mapping;
  mapping.data_ = static_cast<char*>(data);
  mapping.size_ = size;
  return mapping;
}

absl::StatusOr<UniqueFd> MakeReadableMemfd(const std::string& name, size_t size,
                                           SharedMapping* writer) {
  ASSIGN_OR_RETURN(UniqueFd fd, CreateMemfd(name, /*executable=*/false));
  if (::ftruncate(fd.get(), static_cast<off_t>(size)) != 0) {
    return ErrnoError(errno, absl::StrCat("ftruncate memfd to ", size));
  }
  ASSIGN_OR_RETURN(*writer, SharedMapping::Map(fd.get(), size));
  const int seals = F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_FUTURE_WRITE;
  if (::fcntl(fd.get(), F_ADD_SEALS, seals) != 0) return ErrnoError(errno, "F_ADD_SEALS");
  return fd;
}

}  // namespace glovebox
