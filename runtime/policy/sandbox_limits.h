// What one sandbox may use, with every default, minimum and maximum in one place.
#ifndef GLOVEBOX_POLICY_SANDBOX_LIMITS_H_
#define GLOVEBOX_POLICY_SANDBOX_LIMITS_H_

#include <cstdint>
#include <vector>

#include "absl/status/status.h"

namespace glovebox {

inline constexpr uint64_t kKiB = uint64_t{1} << 10;
inline constexpr uint64_t kMiB = uint64_t{1} << 20;
inline constexpr uint64_t kGiB = uint64_t{1} << 30;
inline constexpr uint64_t kTiB = uint64_t{1} << 40;

// A value. Memory, tmpfs and shared memory are one account: what is written to /tmp and /dev/shm
// counts against memory_bytes too.
struct SandboxLimits {
  uint64_t memory_bytes = 1 * kGiB;  // processes, page cache, tmpfs, kernel memory; no swap
  uint64_t pids_max = 512;           // processes and threads, init included
  uint64_t cpu_millis = 2000;        // CPU time per time, in thousandths of one CPU
  uint64_t disk_bytes = 4 * kGiB;    // size of the sandbox's own disk
  uint64_t disk_inodes = 0;          // files on it; 0: one per 16 KiB, at least 16384
  uint64_t tmp_bytes = 512 * kMiB;   // /tmp
  uint64_t tmp_inodes = 65536;
  uint64_t shm_bytes = 64 * kMiB;  // /dev/shm
  uint64_t shm_inodes = 4096;
  uint64_t open_files = 65536;            // RLIMIT_NOFILE, hard; the soft limit is 1024
  uint64_t locked_memory_bytes = kMiB;    // RLIMIT_MEMLOCK
  uint64_t message_queue_bytes = 819200;  // RLIMIT_MSGQUEUE
  uint64_t pending_signals = 4096;        // RLIMIT_SIGPENDING
  friend bool operator==(const SandboxLimits&, const SandboxLimits&) = default;
};

// The range of one field. For documents, GetNode and Validate.
struct LimitRange {
  const char* field;
  const char* unit;  // "bytes", "processes", ...
  uint64_t SandboxLimits::*member;
  uint64_t min;
  uint64_t max;
  bool zero_is_default;  // 0 is allowed besides min..max
};
const std::vector<LimitRange>& SandboxLimitRanges();

// OUT_OF_RANGE with reason LIMIT_OUT_OF_RANGE and metadata field, value, min, max for the first
// field outside of its range, or an inode limit that the disk cannot hold.
absl::Status Validate(const SandboxLimits& limits);

// One resource limit of the commands (setrlimit). Bytes or counts, as the kernel defines it.
struct ResourceLimit {
  uint32_t resource;  // RLIMIT_*
  uint64_t soft;
  uint64_t hard;
};

// Every RLIMIT_* that commands get, in a fixed order.
std::vector<ResourceLimit> ResourceLimits(const SandboxLimits& limits);

}  // namespace glovebox

#endif  // GLOVEBOX_POLICY_SANDBOX_LIMITS_H_
