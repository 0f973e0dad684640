// The steps by which a sandbox comes to be, once, in order. The same list is the order of the code,
// the failure report (step, errno, detail), the latency metric and the table in
// docs/setup-order.md, which a test compares.
//
// Format: X(enumerator, "name", who, "what and why here"); who: S = glovebox-spawner, I =
// glovebox-init.
#ifndef GLOVEBOX_INIT_SETUP_STEP_H_
#define GLOVEBOX_INIT_SETUP_STEP_H_

#include <cstdint>

namespace glovebox {

#define GLOVEBOX_SETUP_STEPS(X)                                                                    \
  X(kReceiveRequest, "receive_request", 'S', "check the request and its descriptors")              \
  X(kClone, "clone", 'S', "clone3 with all namespaces at once; on cgroup v2 born in its cgroup")   \
  X(kJoinCgroups, "join_cgroups", 'S',                                                             \
    "the child writes 0 into each cgroup v1 tasks file, before any other work")                    \
  X(kWriteIdMaps, "write_id_maps", 'S', "the spawner maps the leased id range; the child waits")   \
  X(kIdMapMounts, "id_map_mounts", 'S',                                                            \
    "detached layer mounts get the sandbox's id mapping; needs its user namespace")                \
  X(kPassDescriptors, "pass_descriptors", 'S',                                                     \
    "descriptors at their fixed numbers, all others closed")                                       \
  X(kExecInit, "exec_init", 'S',                                                                   \
    "execveat of the sealed memfd; nothing of the spawner's image remains")                        \
  X(kReadPlan, "read_plan", 'I', "map the sealed plan and check its bounds")                       \
  X(kCgroupNamespace, "cgroup_namespace", 'I',                                                     \
    "after joining, so that its root is the sandbox's own cgroup")                                 \
  X(kSessionKeyring, "session_keyring", 'I',                                                       \
    "a new, empty one; the inherited one is the daemon's")                                         \
  X(kStage, "stage", 'I', "all mounts private; a tmpfs to assemble the root on")                   \
  X(kAttachLayers, "attach_layers", 'I', "move the detached layers and the disk onto the stage")   \
  X(kMountOverlay, "mount_overlay", 'I',                                                           \
    "overlay by relative names, so that mountinfo shows no host path")                             \
  X(kMountBinds, "mount_binds", 'I', "read-only host directories of the plan, below the new root") \
  X(kMountCaches, "mount_caches", 'I', "read-only views of snapshots; through no link")            \
  X(kMountProc, "mount_proc", 'I', "of the own pid namespace, hidepid=ptraceable")                 \
  X(kMaskProc, "mask_proc", 'I',                                                                   \
    "files under /dev/null, directories under an empty tmpfs, /proc/sys read-only")                \
  X(kMountDev, "mount_dev", 'I', "its own nodes read-only, an own devpts, a limited /dev/shm")     \
  X(kMountTmp, "mount_tmp", 'I', "limited in bytes and inodes")                                    \
  X(kMountResolver, "mount_resolver", 'I',                                                         \
    "with a way out: a read-only /etc/resolv.conf over what the image has, a link too")            \
  X(kHostname, "hostname", 'I', "in the own uts namespace")                                        \
  X(kLoopbackUp, "loopback_up", 'I', "the only interface")                                         \
  X(kRouteOut, "route_out", 'I',                                                                   \
    "with a way out: every address is local, so that listeners here get every connection")         \
  X(kLimitNamespaces, "limit_namespaces", 'I',                                                     \
    "user.max_*_namespaces = 0: holds even without the filter")                                    \
  X(kAnyPort, "any_port", 'I',                                                                     \
    "net.ipv4.ip_unprivileged_port_start = 0: servers inside may have any port")                   \
  X(kNoPacing, "no_pacing", 'I',                                                                   \
    "with a way out: net.ipv4.tcp_congestion_control = reno; nothing here has a distance to go")   \
  X(kPivotRoot, "pivot_root", 'I', "before anything of the image is opened by path")               \
  X(kDetachOldRoot, "detach_old_root", 'I', "nothing of the stage stays reachable")                \
  X(kCheckRoot, "check_root", 'I',                                                                 \
    "the cwd is / of the overlay, proc is proc, /dev/null is 1:3, masks cover")                    \
  X(kResourceLimits, "resource_limits", 'I', "hard limits; inherited by every command")            \
  X(kDropBounding, "drop_bounding", 'I',                                                           \
    "bounding set down to what init needs; each drop is proved")                                   \
  X(kDropCapabilities, "drop_capabilities", 'I',                                                   \
    "permitted and effective likewise, ambient empty, securebits locked")                          \
  X(kNoNewPrivs, "no_new_privs", 'I', "inherited by every command; read back")                     \
  X(kNotDumpable, "not_dumpable", 'I', "no ptrace, no /proc/1/mem, even for an equal uid")         \
  X(kLandlock, "landlock", 'I',                                                                    \
    "a domain of files and scopes for init and all commands; after the last mount")                \
  X(kFilter, "filter", 'I',                                                                        \
    "the allow list, for init and all commands; each command adds the second filter itself")       \
  X(kListen, "listen", 'I', "epoll over the inherited listening socket and signals")               \
  X(kReady, "ready", 'I', "report success; from here on frames only")

enum class SetupStep : uint32_t {
#define GLOVEBOX_STEP_ENUM(enumerator, name, who, why) enumerator,
  GLOVEBOX_SETUP_STEPS(GLOVEBOX_STEP_ENUM)
#undef GLOVEBOX_STEP_ENUM
      kCount
};

constexpr const char* SetupStepName(SetupStep step) {
  constexpr const char* kNames[] = {
#define GLOVEBOX_STEP_NAME(enumerator, name, who, why) name,
      GLOVEBOX_SETUP_STEPS(GLOVEBOX_STEP_NAME)
#undef GLOVEBOX_STEP_NAME
  };
  return step < SetupStep::kCount ? kNames[static_cast<uint32_t>(step)] : "unknown";
}

// What a failing step says; sent once on the status socket. `detail` is NUL-terminated.
struct SetupReport {
  uint32_t magic;
  SetupStep step;  // kReady with error 0: the sandbox runs
  int32_t error;   // errno
  char detail[244];
};
inline constexpr uint32_t kSetupReportMagic = 0x67625352;  // "gbSR"
static_assert(sizeof(SetupReport) == 256);

}  // namespace glovebox

#endif  // GLOVEBOX_INIT_SETUP_STEP_H_
