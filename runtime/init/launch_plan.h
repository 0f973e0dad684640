// The plan of one sandbox: a flat, self-contained value that the launcher computes, seals in a
// memfd and hands to glovebox-init, which only carries it out. Offsets are from the start of the
// plan. Init checks every offset and length before use; a plan that does not fit is refused as a
// whole (step read_plan).
#ifndef GLOVEBOX_INIT_LAUNCH_PLAN_H_
#define GLOVEBOX_INIT_LAUNCH_PLAN_H_

#include <cstdint>
#include <type_traits>

namespace glovebox {

inline constexpr uint32_t kLaunchPlanMagic = 0x67624c50;  // "gbLP"
inline constexpr uint32_t kLaunchPlanVersion = 6;
inline constexpr uint32_t kLayersMax = 16;
inline constexpr uint32_t kBindsMax = 16;
inline constexpr uint32_t kCachesMax = 8;
inline constexpr uint32_t kCacheLayersMax = 64;  // of all caches together
inline constexpr uint32_t kMasksMax = 64;
inline constexpr uint32_t kRlimitsMax = 16;
inline constexpr uint32_t kFiltersMax = 2;
inline constexpr uint32_t kPathRulesMax = 24;
inline constexpr uint32_t kLaunchPlanBytesMax = 256 * 1024;

// Descriptor numbers inside glovebox-init, as left by the spawner (step pass_descriptors). 0, 1 and
// 2 are /dev/null.
inline constexpr int kInitStatusFd = 3;  // SOCK_SEQPACKET; one SetupReport, then closed
inline constexpr int kInitListenFd = 4;  // listening SOCK_SEQPACKET unix socket; see frames.h
inline constexpr int kInitPlanFd = 5;    // sealed memfd with the LaunchPlan
inline constexpr int kInitDeviceFd =
    6;  // detached, read-only mount with dev/ and empty/, which is this sandbox's alone
inline constexpr int kInitDiskFd =
    7;  // detached, id-mapped mount of the sandbox's disk: upper/ and work/ in it
inline constexpr int kInitLayersFd =
    8;  // layer_count detached, id-mapped, read-only mounts, uppermost first
// then bind_count detached mounts, in the order of `binds`; then cache_layer_count detached,
// id-mapped, read-only mounts, those of each cache in the order of `caches`, uppermost first; and
// then, where init was born into a cgroup v2 directory, that directory

struct PlanText {  // NUL-terminated bytes in the plan; `size` counts the NUL
  uint32_t offset;
  uint32_t size;
};

struct PlanBind {
  PlanText target;  // absolute path in the new root; the mount point is made in the overlay's upper
                    // if it is missing
  uint32_t is_directory;
  uint32_t own_view;  // 1: a directory that other sandboxes and the host use too; it is shown
                      // through an overlay of its own, so that locks and inotify watches on it
                      // reach nobody else
};

struct PlanLayer {
  PlanText
      subdirectory;  // directory inside the layer's mount that is the lowerdir, "" for its root
};

// A tree that many sandboxes have, shown read-only. Like a bind with a view of its own, it is an
// overlay: locks and watches on it reach nobody else, and what its files hold is in memory once.
struct PlanCache {
  PlanText target;        // absolute path in the new root, through no link; directories that are
                          // missing are made
  PlanText subdirectory;  // directory inside each of its layers' mounts that is a lowerdir
  PlanText shown;         // directory of the overlay of these that is mounted
  uint32_t layer_count;   // 1..kLayersMax
  uint32_t reserved;
};

struct PlanMask {
  PlanText path;  // absolute path in the new root; a path that does not exist is passed over
  uint32_t kind;  // PlanMaskKind
  uint32_t reserved;
};
enum PlanMaskKind : uint32_t { kMaskHide = 0, kMaskReadOnly = 1 };

struct PlanRlimit {
  uint32_t resource;  // RLIMIT_*
  uint32_t reserved;
  uint64_t soft;
  uint64_t hard;  // init lowers both to the hard limit it already has, when that is lower
};

struct PlanFilter {
  uint32_t offset;  // of an array of struct sock_filter
  uint32_t count;
};

struct PlanPathRule {
  PlanText path;  // absolute, through no link
  uint32_t is_directory;
  uint32_t required;  // 0: passed over when it is not there, a link, or of another type
  uint64_t access;    // LANDLOCK_ACCESS_FS_*
};

// Numbers of the kernel's landlock.h. Nothing handled and nothing scoped: no domain.
struct PlanLandlock {
  uint64_t handled;
  uint64_t scoped;
  uint32_t rule_count;
  uint32_t reserved;
  PlanPathRule rules[kPathRulesMax];
};

struct LaunchPlan {
  uint32_t magic;
  uint32_t version;
  uint32_t size;  // of the whole plan
  uint32_t layer_count;
  uint32_t bind_count;
  uint32_t mask_count;
  uint32_t rlimit_count;
  uint32_t filter_count;  // the first is installed in init, once, at the end of its setup; the
                          // second is added in every command, just before execve
  PlanText hostname;
  PlanText workdir;      // default cwd of commands, "" for "/"
  PlanText environment;  // default environment: "NAME=value\0NAME=value\0", counted by size
  uint32_t uid;          // inside id of commands that name no user
  uint32_t gid;
  uint32_t root_inside;         // 1: commands may be uid 0 and keep payload_capabilities
  uint32_t exec_max;            // open execs at once; START beyond it is refused
  uint32_t namespaces_allowed;  // 1: commands may make namespaces of their own
  uint32_t cache_count;
  uint32_t cache_layer_count;  // the sum of those of the caches
  uint32_t way_out;  // 1: every address is the sandbox's own, and names are asked of 127.0.0.1
  uint64_t payload_capabilities;  // effective and permitted for uid 0 when root_inside, else 0
  uint64_t tmp_bytes;
  uint64_t tmp_inodes;
  uint64_t shm_bytes;
  uint64_t shm_inodes;
  PlanLayer layers[kLayersMax];
  PlanBind binds[kBindsMax];
  PlanCache caches[kCachesMax];
  PlanMask masks[kMasksMax];
  PlanRlimit rlimits[kRlimitsMax];
  PlanFilter filters[kFiltersMax];
  // Run by init itself on a call that the second filter tells of. count 0: it tells of none.
  PlanFilter answers;
  PlanLandlock landlock;
  // texts and filters follow
};
static_assert(std::is_trivially_copyable_v<LaunchPlan> && std::is_standard_layout_v<LaunchPlan>);

}  // namespace glovebox

#endif  // GLOVEBOX_INIT_LAUNCH_PLAN_H_
