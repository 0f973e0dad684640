#include "sandbox/id_ranges.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <iterator>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "linux/file_io.h"

namespace glovebox {
namespace {

constexpr uint32_t kBlockRanges = 256;
constexpr size_t kOwnerBytesMax = 256;

}  // namespace

IdRanges::Lease::Lease(Lease&& other) noexcept
    : owner_(std::exchange(other.owner_, nullptr)), first_(other.first_) {}

IdRanges::Lease::~Lease() {
  if (owner_ != nullptr) owner_->Return(first_);
}

void IdRanges::Lease::Abandon() { owner_ = nullptr; }

IdRanges::IdRanges(UniqueFd directory, uint32_t first, uint32_t count, std::string owner)
    : directory_(std::move(directory)), first_(first), count_(count), owner_(std::move(owner)) {}

IdRanges::~IdRanges() {
  absl::MutexLock lock(&mutex_);
  for (const auto& [block, file] : blocks_) {
    uint32_t lowest = 0;
    const size_t ranges = RangesOf(block, &lowest);
    const auto begin = free_.lower_bound(lowest);
    const auto end = free_.lower_bound(lowest + static_cast<uint32_t>(ranges));
    if (static_cast<size_t>(std::distance(begin, end)) != ranges) continue;
    if (::ftruncate(file.get(), 0) != 0) continue;  // the block then stays this owner's
  }
}

absl::StatusOr<std::unique_ptr<IdRanges>> IdRanges::Open(const std::string& lease_directory,
                                                         uint32_t first, uint32_t count,
                                                         const std::string& owner) {
  if (first == 0 || first % kIdsPerSandbox != 0 || count == 0 ||
      uint64_t{first} + uint64_t{count} * kIdsPerSandbox > 0xffffffffu) {
    return DetailedError(absl::StatusCode::kInvalidArgument,
                         absl::StrCat("id range ", first, " + ", count, " * 65536 is not usable"),
                         {"INVALID_ID_RANGE", {}});
  }
  RETURN_IF_ERROR(MakeDirectoryAt(AT_FDCWD, lease_directory, 0700));
  ASSIGN_OR_RETURN(UniqueFd directory,
                   OpenAt(AT_FDCWD, lease_directory, O_RDONLY | O_DIRECTORY | O_NOFOLLOW));
  return std::unique_ptr<IdRanges>(new IdRanges(std::move(directory), first, count, owner));
}

size_t IdRanges::RangesOf(uint32_t block, uint32_t* lowest) const {
  *lowest = std::max(block * kBlockRanges, first_ / kIdsPerSandbox);
  const uint32_t end = std::min((block + 1) * kBlockRanges, first_ / kIdsPerSandbox + count_);
  return end - *lowest;
}

bool IdRanges::LockBlock(uint32_t block) {
  const std::string name = absl::StrCat("ids-", block);
  absl::StatusOr<UniqueFd> file =
      OpenAt(directory_.get(), name, O_RDWR | O_CREAT | O_NOFOLLOW, 0600);
  if (!file.ok() || ::flock(file->get(), LOCK_EX | LOCK_NB) != 0) return false;
  const absl::StatusOr<std::string> owner = ReadFileAt(directory_.get(), name, kOwnerBytesMax);
  if (!owner.ok() || (!owner->empty() && *owner != owner_)) return false;
  // Before the first range is used: its sandbox may outlive us.
  if (owner->empty() && !WriteAll(file->get(), owner_).ok()) {
    if (::ftruncate(file->get(), 0) != 0) return false;  // a part of a name: nobody takes it
    return false;
  }
  uint32_t lowest = 0;
  const size_t ranges = RangesOf(block, &lowest);
  for (uint32_t i = 0; i < ranges; ++i) free_.insert(lowest + i);
  blocks_[block] = *std::move(file);
  return true;
}

bool IdRanges::LockNextBlock() {
  const uint32_t block_first = first_ / kIdsPerSandbox / kBlockRanges;
  const uint32_t block_last = (first_ / kIdsPerSandbox + count_ - 1) / kBlockRanges;
  for (uint32_t block = block_first; block <= block_last; ++block) {
    if (!blocks_.contains(block) && LockBlock(block)) return true;
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

absl::StatusOr<IdRanges::Lease> IdRanges::TakeAgain(uint32_t host_id_first) {
  absl::MutexLock lock(&mutex_);
  const uint32_t range = host_id_first / kIdsPerSandbox;
  const uint32_t block = range / kBlockRanges;
  if (!blocks_.contains(block)) (void)LockBlock(block);
  if (host_id_first % kIdsPerSandbox != 0 || free_.erase(range) == 0) {
    return DetailedError(
        absl::StatusCode::kFailedPrecondition,
        absl::StrCat("the host ids from ", host_id_first, " on are another's, or not in id_ranges"),
        {"ID_RANGE_TAKEN", {{"value", absl::StrCat(host_id_first)}}});
  }
  return Lease(this, host_id_first);
}

void IdRanges::Return(uint32_t first) {
  absl::MutexLock lock(&mutex_);
  free_.insert(first / kIdsPerSandbox);
}

}  // namespace glovebox
