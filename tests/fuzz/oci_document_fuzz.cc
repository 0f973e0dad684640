// The JSON of OCI image layouts and `docker save`, and what the importer tells the daemon of it.
#include "base/escape.h"
#include "importer/oci_manifest.h"
#include "snapshot/layer_store.h"
#include "snapshot/oci_image.h"
#include "snapshot/record_json.h"
#include "tests/fuzz/fuzz_input.h"
#include "tests/fuzz/targets.h"

namespace glovebox {

void FuzzOciDocument(absl::string_view json) {
  if (const auto index = ParseOciIndex(json); index.ok()) {
    for (const OciDescriptor& each : *index) Demand(IsLowerHex(each.digest, 64), "a digest is one");
  }
  for (const auto& manifest : {ParseOciManifest(json), ParseDockerManifest(json)}) {
    Demand(!manifest.ok() || (!manifest->layers.empty() && !manifest->config.empty() &&
                              manifest->layers.size() <= OciImage::kLayersMax),
           "a manifest has a config and a bounded number of layers");
  }
  if (const auto config = ParseOciConfig(json); config.ok()) {
    Demand(CheckImageConfig(config->config).ok() && CheckImageNotes(config->notes).ok(),
           "what is taken of a config passes the daemon's check");
    for (const std::string& variable : config->config.environment) {
      Demand(variable.rfind("LD_", 0) != 0, "no variable that the loader obeys");
    }
  }
  if (const auto image = ParseOciImage(json); image.ok()) {
    const auto again = ParseOciImage(FormatOciImage(*image));
    Demand(again.ok() && *again == *image, "an answer is written and read back as the same");
  }
  if (const auto layer = ParseLayerRecord(json); layer.ok()) {
    Demand(ParseLayerRecord(FormatLayerRecord(*layer)).ok(), "a record is written and read back");
  }
}

}  // namespace glovebox
