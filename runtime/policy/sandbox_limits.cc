#include "policy/sandbox_limits.h"

#include <sys/resource.h>

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "base/status.h"

namespace glovebox {
namespace {

constexpr uint64_t kBytesPerInodeMin = 4096;  // ext4 makes no more inodes than blocks
constexpr uint64_t kOpenFilesSoft = 1024;     // more breaks select(2) in older programs

absl::Status Refuse(const LimitRange& range, uint64_t value, uint64_t max) {
  return DetailedError(
      absl::StatusCode::kOutOfRange,
      absl::StrCat("limits.", range.field, " is ", value, " ", range.unit, "; give ",
                   range.zero_is_default ? "0 for the default, or " : "", "a value from ",
                   range.min, " to ", max),
      {"LIMIT_OUT_OF_RANGE",
       {{"field", absl::StrCat("limits.", range.field)},
        {"value", absl::StrCat(value)},
        {"min", absl::StrCat(range.min)},
        {"max", absl::StrCat(max)}}});
}

}  // namespace

const std::vector<LimitRange>& SandboxLimitRanges() {
  using L = SandboxLimits;
  static const auto* const ranges = new std::vector<LimitRange>{
      {"memory_bytes", "bytes", &L::memory_bytes, 4 * kMiB, 16 * kTiB, false},
      // Init and one command with a child; above the kernel's PID_MAX_LIMIT nothing can be.
      {"pids_max", "processes", &L::pids_max, 4, 4194304, false},
      // The kernel's smallest quota is 1 ms in its period of 100 ms.
      {"cpu_millis", "thousandths of a CPU", &L::cpu_millis, 10, 8192 * 1000, false},
      {"disk_bytes", "bytes", &L::disk_bytes, 16 * kMiB, 4 * kTiB, false},
      {"disk_inodes", "inodes", &L::disk_inodes, 64, uint64_t{1} << 30, true},
      {"tmp_bytes", "bytes", &L::tmp_bytes, 64 * kKiB, 16 * kTiB, false},
      {"tmp_inodes", "inodes", &L::tmp_inodes, 16, uint64_t{1} << 30, false},
      {"shm_bytes", "bytes", &L::shm_bytes, 64 * kKiB, 16 * kTiB, false},
      {"shm_inodes", "inodes", &L::shm_inodes, 16, uint64_t{1} << 30, false},
      {"open_files", "descriptors", &L::open_files, 64, 1048576, false},
      {"locked_memory_bytes", "bytes", &L::locked_memory_bytes, 0, 16 * kTiB, false},
      {"message_queue_bytes", "bytes", &L::message_queue_bytes, 0, kGiB, false},
      {"pending_signals", "signals", &L::pending_signals, 64, 1048576, false},
  };
  return *ranges;
}

absl::Status Validate(const SandboxLimits& limits) {
  for (const LimitRange& range : SandboxLimitRanges()) {
    const uint64_t value = limits.*range.member;
    if (range.zero_is_default && value == 0) continue;
    uint64_t max = range.max;
    if (range.member == &SandboxLimits::disk_inodes) {
      max = std::min(max, limits.disk_bytes / kBytesPerInodeMin);
    }
    if (value < range.min || value > max) return Refuse(range, value, max);
  }
  return absl::OkStatus();
}

std::vector<ResourceLimit> ResourceLimits(const SandboxLimits& limits) {
  const uint64_t soft_files = std::min(limits.open_files, kOpenFilesSoft);
  return {
      // 1, not 0: a core_pattern that pipes to a program of the host ignores 0 but not 1, and no
      // core file fits in one byte.
      {RLIMIT_CORE, 1, 1},
      {RLIMIT_NOFILE, soft_files, limits.open_files},
      {RLIMIT_MEMLOCK, limits.locked_memory_bytes, limits.locked_memory_bytes},
      {RLIMIT_MSGQUEUE, limits.message_queue_bytes, limits.message_queue_bytes},
      {RLIMIT_SIGPENDING, limits.pending_signals, limits.pending_signals},
      // The disk's end comes first and gives ENOSPC; this is for sparse files.
      {RLIMIT_FSIZE, limits.disk_bytes, limits.disk_bytes},
      // Beyond pids_max, so that it is the cgroup that refuses, which is counted.
      {RLIMIT_NPROC, limits.pids_max + 1, limits.pids_max + 1},
      {RLIMIT_NICE, 0, 0},
      {RLIMIT_RTPRIO, 0, 0},
  };
}

}  // namespace glovebox
