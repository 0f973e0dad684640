// Snapshots and images between proto and domain.
#ifndef GLOVEBOX_SERVICE_CONVERT_SNAPSHOT_H_
#define GLOVEBOX_SERVICE_CONVERT_SNAPSHOT_H_

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "glovebox/v1/snapshot.pb.h"
#include "glovebox/v1/types.pb.h"
#include "sandbox/sandbox_spec.h"
#include "snapshot/blob_digest.h"
#include "snapshot/git_import.h"
#include "snapshot/image_store.h"
#include "snapshot/snapshot_record.h"

namespace glovebox {

// As its /workspace or as a cache.
bool UsesSnapshot(const SandboxInfo& sandbox, const std::string& digest);

// `sandboxes`: all there are, to count those that use it.
v1::Snapshot ToProto(const SnapshotInfo& info, const std::vector<SandboxInfo>& sandboxes);
// `images`: which layers other images have, too.
v1::Image ToProto(const ImageInfo& info, const std::vector<SandboxInfo>& sandboxes,
                  const ImageStore& images);
v1::ImportProgress ToProto(const ImportProgress& progress);
v1::Digest ToProto(const BlobDigest& digest);

// INVALID_ARGUMENT naming `field`.
absl::StatusOr<BlobDigest> FromProto(const v1::Digest& proto, absl::string_view field);

}  // namespace glovebox

#endif  // GLOVEBOX_SERVICE_CONVERT_SNAPSHOT_H_
