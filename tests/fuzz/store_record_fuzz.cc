// The records that the content store reads back from disk.
#include "snapshot/image_record.h"
#include "snapshot/manifest.h"
#include "snapshot/snapshot_record.h"
#include "tests/fuzz/fuzz_input.h"
#include "tests/fuzz/targets.h"

namespace glovebox {

void FuzzStoreRecord(absl::string_view text) {
  if (auto snapshot = ParseSnapshotRecord(text); snapshot.ok()) {
    auto again = ParseSnapshotRecord(FormatSnapshotRecord(*snapshot));
    Demand(again.ok() && again->digest == snapshot->digest,
           "what was accepted is written and read back as the same snapshot");
  }
  if (auto image = ParseImageRecord(text); image.ok()) {
    auto again = ParseImageRecord(FormatImageRecord(*image));
    Demand(again.ok() && again->name == image->name,
           "what was accepted is written and read back as the same image");
  }
  if (auto manifest = ParseManifest(text); manifest.ok()) {
    Demand(FormatManifest(*manifest) == text, "one manifest has one form");
    const Manifest merged = MergeLayer(MergeLayer({}, *manifest), *manifest);
    Demand(merged == MergeLayer({}, *manifest), "a layer over itself changes nothing");
  }
}

}  // namespace glovebox
