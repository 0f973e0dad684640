// Whether what the stores of snapshots and images have on disk is whole.
#ifndef GLOVEBOX_SNAPSHOT_STORE_CHECK_H_
#define GLOVEBOX_SNAPSHOT_STORE_CHECK_H_

#include <string>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "snapshot/image_store.h"
#include "snapshot/snapshot_store.h"

namespace glovebox {

struct EntryCheck {
  std::string name;     // digest, or what stands in the store's directory instead of one
  std::string problem;  // "": it is whole
  std::string remedy;
};

// Tells of every snapshot, oldest first, and then of what was refused when the store was opened. A
// snapshot that is deleted meanwhile is passed over. `read_content`: every file is read and
// compared with its manifest. An error is one of `tell`, which ends it. Blocking, thread-safe;
// changes nothing but that a snapshot of an earlier release gets its manifest.
absl::Status CheckSnapshots(SnapshotStore* store, bool read_content,
                            absl::FunctionRef<absl::Status(const EntryCheck&)> tell);

// The same of every image ("images/NAME") and of the layers that images share
// ("image-layers/KEY"). `read_content`: every file is read, and what was made of it compared with
// the recorded digest.
absl::Status CheckImages(ImageStore* store, bool read_content,
                         absl::FunctionRef<absl::Status(const EntryCheck&)> tell);

}  // namespace glovebox

#endif  // GLOVEBOX_SNAPSHOT_STORE_CHECK_H_
