// Which caches one sandbox may have, and where.
#ifndef GLOVEBOX_SANDBOX_CACHE_MOUNTS_H_
#define GLOVEBOX_SANDBOX_CACHE_MOUNTS_H_

#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "sandbox/sandbox_spec.h"

namespace glovebox {

// INVALID_ARGUMENT with reason INVALID_FIELD and metadata field ("caches[1].target_path"). Pure:
// whether snapshots and names exist is not asked.
absl::Status CheckCacheMounts(const std::vector<CacheMount>& caches);

// What is wrong with a directory that a cache is to be mounted at, as the end of a sentence; ""
// when nothing is.
absl::string_view WrongTarget(absl::string_view path);

}  // namespace glovebox

#endif  // GLOVEBOX_SANDBOX_CACHE_MOUNTS_H_
