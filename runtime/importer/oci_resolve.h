// From an OCI image layout or `docker save` archive to the layers of one image. Every document is
// compared with its digest.
#ifndef GLOVEBOX_IMPORTER_OCI_RESOLVE_H_
#define GLOVEBOX_IMPORTER_OCI_RESOLVE_H_

#include <string>

#include "absl/status/statusor.h"
#include "importer/oci_source.h"
#include "snapshot/oci_image.h"

namespace glovebox {

// The image for `platform` ("linux/amd64"). INVALID_ARGUMENT: none or several are for it, a
// document is not what its digest says, or is malformed; RESOURCE_EXHAUSTED beyond oci_manifest.h's
// limits.
absl::StatusOr<OciImage> ResolveOciImage(const OciSource& source, const std::string& platform);

}  // namespace glovebox

#endif  // GLOVEBOX_IMPORTER_OCI_RESOLVE_H_
