// From an OCI image layout (a directory, or a tar file of one) or a `docker save` archive to an
// image. Worker sandboxes read it, compare every digest and unpack; the host reads nothing of it.
//
// Each layer is a sealed disk, made over the layers below it so that overlayfs itself records what
// it removes, and is kept once for all images that have it. Of an image with more than
// kImageLayersMax the uppermost are one disk together: it is the lowest that images have in
// common. Over them each image has a disk of its own with
// what sandboxes need: mount points, /tmp, the user agent and its home.
#ifndef GLOVEBOX_SNAPSHOT_OCI_IMPORT_H_
#define GLOVEBOX_SNAPSHOT_OCI_IMPORT_H_

#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "snapshot/git_import.h"
#include "snapshot/image_import.h"
#include "snapshot/image_store.h"
#include "snapshot/importer_run.h"
#include "snapshot/oci_image.h"

namespace glovebox {

// Layers that are one disk, and its name in the layer store.
struct OciLayerGroup {
  std::string key;
  std::vector<OciLayer> layers;  // lowest first
};

// Lowest first, at most kImageLayersMax. A key is OCI's chain id where a group is one layer: the
// digest of this layer's diff id and those of all below.
std::vector<OciLayerGroup> GroupLayers(const std::vector<OciLayer>& layers);

class OciImporter {
 public:
  // The store outlives the importer.
  OciImporter(ImageStore* store, ImporterDeps deps);
  ~OciImporter();

  // Thread-safe, blocking. A layer that several imports of a source need at the same time is
  // unpacked once.
  // `progress` may be empty; it is called on this thread. Errors as of ImportImage. One that fails
  // leaves no layer.
  absl::StatusOr<ImageInfo> Import(const ImageImportRequest& request,
                                   const ImportProgressCallback& progress);

 private:
  struct State;
  absl::StatusOr<ImageInfo> ImportAll(const ImageImportRequest& request,
                                      const ImportProgressCallback& progress);
  std::unique_ptr<State> state_;
};

}  // namespace glovebox

#endif  // GLOVEBOX_SNAPSHOT_OCI_IMPORT_H_
