#include "sandbox/id_ranges.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "linux/file_io.h"

namespace glovebox {
namespace {

constexpr uint32_t kBlockRanges = 256;

}  // namespace

IdRanges::Lease::Lease(Lease&& other) noexcept
    : owner_(std::exchange(other.owner_, nullptr)), first_(other.first_) {}

IdRanges::Lease::~Lease() {
  if (owner_ != nullptr) owner_->Return(first_);
}

void IdRanges::Lease::Abandon() { owner_ = nullptr; }

IdRanges::IdRanges(UniqueFd directory, uint32_t first, uint32_t count)
    : directory_(std::move(directory)), first_(first), count_(count) {}

absl::StatusOr<std::unique_ptr<IdRanges>> IdRanges::Open(const std::string& lease_directory,
                                                         uint32_t first, uint32_t count) {
  if (first == 0 || first % kIdsPerSandbox != 0 || count == 0 ||
      uint64_t{first} + uint64_t{count} * kIdsPerSandbox > 0xffffffffu) {
    return DetailedError(absl::StatusCode::kInvalidArgument,
                         absl::StrCat("id range ", first, " + ", count, " * 65536 is not usable"),
                         {"INVALID_ID_RANGE", {}});
  }
  RETURN_IF_ERROR(MakeDirectoryAt(AT_FDCWD, lease_directory, 0700));
  ASSIGN_OR_RETURN(UniqueFd directory,
                   OpenAt(AT_FDCWD, lease_directory, O_RDONLY | O_DIRECTORY | O_NOFOLLOW));
  return std::unique_ptr<IdRanges>(new IdRanges(std::move(directory), first, count));
}

bool IdRanges::LockNextBlock() {
  const uint32_t block_first = first_ / kIdsPerSandbox / kBlockRanges;
  const uint32_t block_last = (first_ / kIdsPerSandbox + count_ - 1) / kBlockRanges;
  for (uint32_t block = block_first; block <= block_last; ++block) {
    if (blocks_.contains(block)) continue;
    absl::StatusOr<UniqueFd> file =
        OpenAt(directory_.get(), absl::StrCat("ids-", block), O_RDWR | O_CREAT | O_NOFOLLOW, 0600);
    if (!file.ok() || ::flock(file->get(), LOCK_EX | LOCK_NB) != 0) continue;
    const uint32_t lowest = std::max(block * kBlockRanges, first_ / kIdsPerSandbox);
    const uint32_t end = std::min((block + 1) * kBlockRanges, first_ / kIdsPerSandbox + count_);
    for (uint32_t range = lowest; range < end; ++range) free_.insert(range);
    blocks_[block] = *std::move(file);
    return true;
  }
  return false;
}

absl::StatusOr<IdRanges::Lease> IdRanges::Take() {
  absl::MutexLock lock(&mutex_);
  if (free_.empty() && !LockNextBlock()) {
    return DetailedError(absl::StatusCode::kResourceExhausted,
                         "every host id range is in use; delete sandboxes or widen id_ranges",
                         {"ID_RANGES_EXHAUSTED", {}});
  }
  const uint32_t range = *free_.begin();
  free_.erase(free_.begin());
  return Lease(this, range * kIdsPerSandbox);
}

void IdRanges::Return(uint32_t first) {
  absl::MutexLock lock(&mutex_);
  free_.insert(first / kIdsPerSandbox);
}

}  // namespace glovebox
