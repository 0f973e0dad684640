// Which of the host's configuration a sandbox on the image `host` sees: an allow list of files that
// tools need and that hold nothing private.
//
// Copied are regular files and symbolic links only; a file must be root's, readable by everybody
// and small; a link must lead to /usr or stay in /etc. Anything else in an allowed directory is
// skipped: the image is the same with or without it for whoever could read it anyway.
#ifndef GLOVEBOX_SNAPSHOT_HOST_ETC_H_
#define GLOVEBOX_SNAPSHOT_HOST_ETC_H_

#include <cstdint>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"

namespace glovebox {

struct HostEtcLimits {
  uint64_t file_bytes_max = uint64_t{4} << 20;
  uint64_t bytes_max = uint64_t{32} << 20;
  int entries_max = 10'000;
  int depth_max = 8;
};

// Whether `path`, relative to /etc, is on the allow list or below a directory that is.
bool HostEtcAllows(absl::string_view path);

// Whether a link at `path` (relative to /etc) with this target may be copied.
bool HostEtcLinkStaysIn(absl::string_view path, absl::string_view target);

// Copies what is allowed from one directory to another, which exists; modes become 0644 and 0755.
// Needs no privilege but reading. RESOURCE_EXHAUSTED with reason HOST_ETC_TOO_LARGE beyond limits.
absl::Status CopyHostEtc(int from_fd, int to_fd, const HostEtcLimits& limits);

}  // namespace glovebox

#endif  // GLOVEBOX_SNAPSHOT_HOST_ETC_H_
