// What `image import` is to import.
#ifndef GLOVEBOX_TOOLS_IMAGE_SOURCE_H_
#define GLOVEBOX_TOOLS_IMAGE_SOURCE_H_

#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "glovebox/v1/snapshot.pb.h"

namespace glovebox {

// Whether it names an image in a registry, as skopeo does: docker://HOST/NAME:TAG.
bool IsRegistryReference(absl::string_view source);

// The request for a path: a directory or tar file with an OCI image layout or of `docker save`,
// which is told by the name of its first member, else a tar file of a root. `oci`: it is known to
// be the first. A directory without a layout is a root.
// INVALID_ARGUMENT for one without /usr and /etc.
absl::StatusOr<v1::ImportImageRequest> ImageRequestFor(const std::string& source, bool oci);

// Whether an archive whose first member has this name has an image in OCI's or docker's form.
bool BeginsAnImageArchive(absl::string_view first_member);

}  // namespace glovebox

#endif  // GLOVEBOX_TOOLS_IMAGE_SOURCE_H_
