// The files of an OCI image layout (a directory or a tar of one) or of what `docker save` writes,
// by name.
#ifndef GLOVEBOX_IMPORTER_OCI_SOURCE_H_
#define GLOVEBOX_IMPORTER_OCI_SOURCE_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "base/unique_fd.h"
#include "importer/byte_source.h"
#include "importer/progress_report.h"

namespace glovebox {

class OciSource {
 public:
  // A directory, or a tar file, packed or not.
  static absl::StatusOr<OciSource> Open(const std::string& path);

  // The content of a file. `progress` may be null and outlives it, as the OciSource does.
  // NOT_FOUND.
  absl::StatusOr<std::unique_ptr<ByteSource>> OpenFile(const std::string& name,
                                                       ProgressReport* progress) const;
  // RESOURCE_EXHAUSTED when it has more than `bytes_max`.
  absl::StatusOr<std::string> Read(const std::string& name, size_t bytes_max) const;

  // The bytes of the whole tar file, or of the file `name` in a directory; 0 when not known.
  uint64_t SizeOf(const std::string& name) const;

 private:
  OciSource(UniqueFd fd, bool is_directory, uint64_t size, bool packed)
      : fd_(std::move(fd)), is_directory_(is_directory), size_(size), packed_(packed) {}
  absl::StatusOr<UniqueFd> OpenInDirectory(const std::string& name) const;

  UniqueFd fd_;
  bool is_directory_;
  uint64_t size_;
  bool packed_;
};

}  // namespace glovebox

#endif  // GLOVEBOX_IMPORTER_OCI_SOURCE_H_
