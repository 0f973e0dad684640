// Bounds of the exec server; what a payload or a client can make init hold.
#ifndef GLOVEBOX_INIT_EXEC_LIMITS_H_
#define GLOVEBOX_INIT_EXEC_LIMITS_H_

#include <cstdint>

namespace glovebox {

inline constexpr uint32_t kExecsMax = 256;  // that run; with the ended ones kExecsHeldMax
// What init itself may need: pipes, pidfd, cgroup, region of those that run, the region of those
// that ended.
inline constexpr uint64_t kDescriptorsMin = 4096;
inline constexpr uint32_t kPathBytesMax = 4096;  // PATH_MAX, with the NUL
inline constexpr uint32_t kVariablesMax = 4096;  // of one command
inline constexpr uint32_t kGroupsMax = 64;       // supplementary groups of one user
inline constexpr uint64_t kRegionBytesMax = 1ull << 30;
inline constexpr uint64_t kRingBytesMin = 4096;
inline constexpr uint64_t kAccountFileMax = 1 << 20;  // of /etc/passwd, /etc/group that is read
inline constexpr int64_t kMillisecond = 1000 * 1000;  // in nanoseconds
// After everything but the shell was killed: how long it has to report its command's end.
inline constexpr int64_t kShellAnswerNs = 2000 * kMillisecond;
// How often it is looked whether a shell has taken its command; only when the limit came first.
inline constexpr int64_t kShellTakesNs = 10 * kMillisecond;
// After the tree was killed: how long its pipes may stay open (a holder outside the tree).
inline constexpr int64_t kKilledDrainNs = 1000 * kMillisecond;
// How long the end of a killed tree waits for its last process, which may hang in the kernel.
inline constexpr int64_t kTreeGoneNs = 60'000 * kMillisecond;

}  // namespace glovebox

#endif  // GLOVEBOX_INIT_EXEC_LIMITS_H_
