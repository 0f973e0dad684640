// Anonymous memory files: plans, exec regions, and the static binaries that run from memory.
#ifndef GLOVEBOX_LINUX_MEMFD_H_
#define GLOVEBOX_LINUX_MEMFD_H_

#include <cstddef>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "base/unique_fd.h"

namespace glovebox {

// A memfd with `content`, sealed against every change (F_SEAL_WRITE included). `executable`: for
// execveat; without it MFD_NOEXEC_SEAL is used where the kernel has it (6.3).
absl::StatusOr<UniqueFd> MakeSealedMemfd(const std::string& name, absl::string_view content,
                                         bool executable);

// A zeroed memfd of `size` bytes that can neither grow nor shrink.
absl::StatusOr<UniqueFd> MakeFixedSizeMemfd(const std::string& name, size_t size);

// A shared mapping of a whole memfd; unmapped on destruction.
class SharedMapping {
 public:
  SharedMapping() = default;
  SharedMapping(SharedMapping&& other) noexcept;
  SharedMapping& operator=(SharedMapping&& other) noexcept;
  SharedMapping(const SharedMapping&) = delete;
  SharedMapping& operator=(const SharedMapping&) = delete;
  ~SharedMapping();

  // Maps `size` bytes readable and writable. The caller vouches that the memfd cannot shrink below
  // it.
  static absl::StatusOr<SharedMapping> Map(int fd, size_t size);

  char* data() const { return data_; }
  size_t size() const { return size_; }

 private:
  char* data_ = nullptr;
  size_t size_ = 0;
};

// A zeroed memfd of `size` bytes, sealed against every change but through `*writer`: whoever gets
// the descriptor can map it to be read.
absl::StatusOr<UniqueFd> MakeReadableMemfd(const std::string& name, size_t size,
                                           SharedMapping* writer);

}  // namespace glovebox

#endif  // GLOVEBOX_LINUX_MEMFD_H_
