// The importer's commands for OCI images.
#ifndef GLOVEBOX_IMPORTER_OCI_LAYER_H_
#define GLOVEBOX_IMPORTER_OCI_LAYER_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "snapshot/oci_image.h"

namespace glovebox {

// Unpacks layers over the tree at `root`, one after the other; makes `root` if need be. Each blob's
// digest and diff id are compared: INVALID_ARGUMENT with the blob's name when one is another.
// Owners, set-id bits and FIFOs are kept; extended attributes are dropped, devices left out.
absl::Status UnpackLayers(const std::string& source, const std::vector<OciLayer>& layers,
                          const std::string& root, uint64_t bytes_max);

// Adds what every image needs to the tree: mount points, /tmp, the user agent and its home. Tells
// whether `workdir` (may be "") is a directory in it. INVALID_ARGUMENT when it is no root file
// system, or has something else than a directory where a sandbox mounts.
absl::StatusOr<bool> FinishRoot(const std::string& root, const std::string& workdir);

}  // namespace glovebox

#endif  // GLOVEBOX_IMPORTER_OCI_LAYER_H_
