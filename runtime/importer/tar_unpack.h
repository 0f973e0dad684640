// A tar archive as a tree, by a fixed policy: what cannot be kept is refused with the entry's name,
// and nothing is dropped silently but extended attributes.
#ifndef GLOVEBOX_IMPORTER_TAR_UNPACK_H_
#define GLOVEBOX_IMPORTER_TAR_UNPACK_H_

#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "importer/byte_source.h"
#include "importer/entry_name.h"
#include "importer/tree_writer.h"

struct archive_entry;

namespace glovebox {

// Sees each entry first. Returns whether the entry is done with it.
class EntryFilter {
 public:
  virtual ~EntryFilter() = default;
  virtual absl::StatusOr<bool> Takes(const std::string& name, archive_entry* entry) = 0;
};

struct TarOptions {
  AbsoluteNames absolute = AbsoluteNames::kRefused;
  bool keeps_fifos = false;       // else they are refused, as devices and sockets always are
  EntryFilter* filter = nullptr;  // may be null
};

// `tar`: not packed. Leaves TreeWriter::Finish to the caller. INVALID_ARGUMENT: what is refused,
// with the entry's name; RESOURCE_EXHAUSTED: TreeWriter's limits.
absl::Status UnpackTar(ByteSource* tar, const TarOptions& options, TreeWriter* writer);

}  // namespace glovebox

#endif  // GLOVEBOX_IMPORTER_TAR_UNPACK_H_
