// Host id ranges for sandboxes: 65,536 uids and gids each, used by no other live sandbox on this
// host.
//
// Ranges are handed out from blocks of 256. A block is a file below the lease directory that this
// daemon holds locked (flock), so that two daemons on one host never share a range. The lock goes
// with the process, but the sandboxes may not: so the block also has its owner's name in it, and
// only a daemon of that name takes it again until the owner gave every range of it back.
#ifndef GLOVEBOX_SANDBOX_ID_RANGES_H_
#define GLOVEBOX_SANDBOX_ID_RANGES_H_

#include <cstdint>
#include <map>
#include <memory>
#include <set>
#include <string>

#include "absl/base/thread_annotations.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "base/unique_fd.h"

namespace glovebox {

inline constexpr uint32_t kIdsPerSandbox = 65536;

// Thread-safe. Leases must not outlive it.
class IdRanges {
 public:
  class Lease {
   public:
    Lease(Lease&& other) noexcept;
    Lease& operator=(Lease&&) = delete;
    ~Lease();        // only when no process of the range is left
    void Abandon();  // never lease this range again in the life of this daemon
    uint32_t host_id_first() const { return first_; }

   private:
    friend class IdRanges;
    Lease(IdRanges* owner, uint32_t first) : owner_(owner), first_(first) {}
    IdRanges* owner_;
    uint32_t first_;
  };

  // `first`: lowest host id to use, a multiple of kIdsPerSandbox; `count`: how many ranges from
  // there on; `owner`: the instance's name.
  static absl::StatusOr<std::unique_ptr<IdRanges>> Open(const std::string& lease_directory,
                                                        uint32_t first, uint32_t count,
                                                        const std::string& owner);
  ~IdRanges();  // blocks that are wholly given back lose their owner

  // RESOURCE_EXHAUSTED with reason ID_RANGES_EXHAUSTED when all are in use, here or by other
  // daemons.
  absl::StatusOr<Lease> Take() ABSL_LOCKS_EXCLUDED(mutex_);

  // The range of a sandbox that an earlier daemon of this owner made. FAILED_PRECONDITION with
  // reason ID_RANGE_TAKEN when it is leased, or another daemon's.
  absl::StatusOr<Lease> TakeAgain(uint32_t host_id_first) ABSL_LOCKS_EXCLUDED(mutex_);

 private:
  IdRanges(UniqueFd directory, uint32_t first, uint32_t count, std::string owner);
  bool LockNextBlock() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  bool LockBlock(uint32_t block) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  size_t RangesOf(uint32_t block, uint32_t* lowest) const;
  void Return(uint32_t first) ABSL_LOCKS_EXCLUDED(mutex_);

  const UniqueFd directory_;
  const uint32_t first_;
  const uint32_t count_;
  const std::string owner_;
  absl::Mutex mutex_;
  std::map<uint32_t, UniqueFd> blocks_ ABSL_GUARDED_BY(mutex_);  // block number -> locked file
  std::set<uint32_t> free_ ABSL_GUARDED_BY(mutex_);              // range numbers
};

}  // namespace glovebox

#endif  // GLOVEBOX_SANDBOX_ID_RANGES_H_
