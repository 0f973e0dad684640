// The name of a blob: what it holds, and how much.
#ifndef GLOVEBOX_SNAPSHOT_BLOB_DIGEST_H_
#define GLOVEBOX_SNAPSHOT_BLOB_DIGEST_H_

#include <compare>
#include <cstdint>
#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace glovebox {

struct BlobDigest {
  std::string hash;  // SHA-256, 64 lower-case hexadecimal digits
  uint64_t size_bytes = 0;

  auto operator<=>(const BlobDigest&) const = default;
};

// INVALID_ARGUMENT, with what is wrong.
absl::StatusOr<BlobDigest> MakeBlobDigest(absl::string_view hash, int64_t size_bytes);

// What nothing has: it is never missing and never kept.
bool IsEmptyBlob(const BlobDigest& digest);

// "<hash>-<size>": the name of its file.
std::string BlobFileName(const BlobDigest& digest);
std::optional<BlobDigest> ParseBlobFileName(absl::string_view name);

}  // namespace glovebox

#endif  // GLOVEBOX_SNAPSHOT_BLOB_DIGEST_H_
