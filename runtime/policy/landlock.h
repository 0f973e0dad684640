// What a sandbox's processes may do with files whatever the mounts, modes and ids say: Landlock
// (Linux Documentation/userspace-api/landlock.rst), a second layer that takes rights away and never
// gives any. One domain per sandbox, entered by init after the last mount, so that commands of one
// sandbox may signal and trace each other and none costs more to start.
#ifndef GLOVEBOX_POLICY_LANDLOCK_H_
#define GLOVEBOX_POLICY_LANDLOCK_H_

#include <cstdint>
#include <string>
#include <vector>

namespace glovebox {

// LANDLOCK_ACCESS_FS_*; the headers that we build with know fewer than the kernels that we run on.
enum LandlockRight : uint64_t {
  kLandlockExecute = 1 << 0,
  kLandlockWriteFile = 1 << 1,
  kLandlockReadFile = 1 << 2,
  kLandlockReadDir = 1 << 3,
  kLandlockRemoveDir = 1 << 4,
  kLandlockRemoveFile = 1 << 5,
  kLandlockMakeChar = 1 << 6,
  kLandlockMakeDir = 1 << 7,
  kLandlockMakeReg = 1 << 8,
  kLandlockMakeSock = 1 << 9,
  kLandlockMakeFifo = 1 << 10,
  kLandlockMakeBlock = 1 << 11,
  kLandlockMakeSym = 1 << 12,
  kLandlockRefer = 1 << 13,     // ABI 2; below it every rename between directories is refused
  kLandlockTruncate = 1 << 14,  // ABI 3
  kLandlockIoctlDev = 1 << 15,  // ABI 5
};
// LANDLOCK_SCOPE_*, ABI 6.
enum LandlockScope : uint64_t {
  kLandlockScopeAbstractSocket = 1 << 0,
  kLandlockScopeSignal = 1 << 1,
};

// Below it `mv` between two directories would fail, so Landlock is left out as a whole.
inline constexpr int kLandlockAbiMin = 2;
// The newest whose rights are listed here; a newer kernel is used as this one.
inline constexpr int kLandlockAbiMax = 7;
// Since then it refuses ioctls of devices (Linux 6.10).
inline constexpr int kLandlockAbiDeviceIoctls = 5;
// From here on the rights and both scopes are complete.
inline constexpr int kLandlockAbiFull = 6;

struct LandlockRule {
  std::string path;  // absolute, inside; no component of it may be a link
  uint64_t access = 0;
  bool is_directory = true;
  bool required = false;  // false: an image may do without; it is then not granted
  const char* why = "";
};

// A value. Nothing handled and nothing scoped: no domain is made.
struct LandlockPolicy {
  int abi = 0;
  uint64_t handled = 0;
  uint64_t scoped = 0;
  std::vector<LandlockRule> rules;
  bool enforced() const { return handled != 0 || scoped != 0; }
};

struct LandlockRequest {
  int abi = 0;  // of the kernel; 0: it has none
  bool root_inside = false;
  // A subject of a domain that handles files can mount nothing, so this leaves the scopes alone.
  bool mounts_allowed = false;
  std::string workdir;  // "": none; writable, with everything below
};
LandlockPolicy MakeLandlockPolicy(const LandlockRequest& request);

// For people: "ABI 7: 16 file rights, signals and abstract sockets stay inside".
std::string DescribeLandlock(const LandlockPolicy& policy);

}  // namespace glovebox

#endif  // GLOVEBOX_POLICY_LANDLOCK_H_
