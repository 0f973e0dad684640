// How much clients may have uploaded; docs/operations.md shows it.
#ifndef GLOVEBOX_SNAPSHOT_BLOB_LIMITS_H_
#define GLOVEBOX_SNAPSHOT_BLOB_LIMITS_H_

#include <cstdint>

namespace glovebox {

struct BlobLimits {
  uint64_t bytes_max = uint64_t{64} << 30;  // of all owners; what an unfinished upload names counts
  uint64_t blobs_max = 1'000'000;
  uint64_t client_bytes_max = uint64_t{32} << 30;  // of each
  uint64_t client_blobs_max = 500'000;
  uint64_t blob_bytes_max = uint64_t{16} << 30;
  uint64_t client_unfinished_max = 16;
};

}  // namespace glovebox

#endif  // GLOVEBOX_SNAPSHOT_BLOB_LIMITS_H_
