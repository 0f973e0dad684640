// The files of the blob store.
#ifndef GLOVEBOX_SNAPSHOT_BLOB_FILE_H_
#define GLOVEBOX_SNAPSHOT_BLOB_FILE_H_

#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "snapshot/blob_digest.h"

namespace glovebox {

// pwrite(2) of all. RESOURCE_EXHAUSTED with reason STORE_FULL when the host's disk is full.
absl::Status WriteBlobAt(int fd, uint64_t offset, absl::string_view bytes);

// Whether the file holds what the digest says, to the last byte and not one more.
absl::StatusOr<bool> IsBlob(int fd, const BlobDigest& digest);
// The same of a file by name; false when there is none.
absl::StatusOr<bool> IsBlobAt(const std::string& path, const BlobDigest& digest);

// INVALID_ARGUMENT with reason DIGEST_MISMATCH.
absl::Status DigestMismatch(const BlobDigest& digest);
// NOT_FOUND with reason BLOB_NOT_FOUND.
absl::Status BlobNotFound(const BlobDigest& digest);
// DATA_LOSS with reason STORE_CORRUPT.
absl::Status BlobDamaged(const BlobDigest& digest);

}  // namespace glovebox

#endif  // GLOVEBOX_SNAPSHOT_BLOB_FILE_H_
