// SHA-256 of what one path holds, read from below a directory.
#ifndef GLOVEBOX_CHANGES_CONTENT_DIGEST_H_
#define GLOVEBOX_CHANGES_CONTENT_DIGEST_H_

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "changes/budget.h"

namespace glovebox {

struct ContentDigest {
  uint32_t mode = 0;        // as in change.h
  uint64_t size_bytes = 0;  // that were read
  std::string sha256;       // 64 lower-case hex digits
};

// Of a regular file's bytes or a symbolic link's target. Reads in pieces; charges `bytes` with what
// it reads. NOT_FOUND or FAILED_PRECONDITION when `path` is neither, or gone; else what the
// allowances say.
absl::StatusOr<ContentDigest> DigestContent(int root_fd, const std::string& path, Allowance& bytes,
                                            const TimeAllowance& time);

}  // namespace glovebox

#endif  // GLOVEBOX_CHANGES_CONTENT_DIGEST_H_
