// The records that the content store reads back from disk.
#include <cstdint>
#include <cstdlib>
#include <string>

#include "snapshot/image_record.h"
#include "snapshot/snapshot_record.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const absl::string_view text(reinterpret_cast<const char*>(data), size);
  if (auto snapshot = glovebox::ParseSnapshotRecord(text); snapshot.ok()) {
    // What was accepted is written and read back as the same snapshot.
    auto again = glovebox::ParseSnapshotRecord(glovebox::FormatSnapshotRecord(*snapshot));
    if (!again.ok() || again->digest != snapshot->digest) std::abort();
  }
  if (auto image = glovebox::ParseImageRecord(text); image.ok()) {
    auto again = glovebox::ParseImageRecord(glovebox::FormatImageRecord(*image));
    if (!again.ok() || again->name != image->name) std::abort();
  }
  return 0;
}
