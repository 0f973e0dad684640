// A local file or directory as a tar stream.
#ifndef GLOVEBOX_TOOLS_ARCHIVE_PACK_H_
#define GLOVEBOX_TOOLS_ARCHIVE_PACK_H_

#include <cstdint>
#include <functional>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"

namespace glovebox {

struct PackResult {
  uint64_t entries = 0;
  uint64_t skipped = 0;  // sockets, FIFOs, devices; each was noted on stderr
};

// Packs `directory`/`name` with `renamed` in place of `name`; "." for either is the content itself.
// Symlinks are packed as symlinks; owners and setuid bits are not. `sink` gets the bytes in order;
// its error ends the packing.
absl::Status PackTree(const std::string& directory, const std::string& name,
                      const std::string& renamed,
                      const std::function<absl::Status(absl::string_view)>& sink,
                      PackResult* result);

}  // namespace glovebox

#endif  // GLOVEBOX_TOOLS_ARCHIVE_PACK_H_
