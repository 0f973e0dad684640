// What gloveboxd asks of glovebox-spawner over a SOCK_SEQPACKET pair, one request at a time.
//
// The spawner is started with: 3 = its end of that pair, 4 = the sealed memfd of glovebox-init. It
// answers each request with one SpawnReply; a good one carries the pidfd of the new init. Start-up
// failure: one SpawnReply with request_id 0 and an error; success: one with request_id 0 and error
// 0.
//
// The daemon has two of them (launcher/spawner_pair.h): a spawner also makes another one, its
// sibling, by forking.
#ifndef GLOVEBOX_SPAWNER_SPAWN_WIRE_H_
#define GLOVEBOX_SPAWNER_SPAWN_WIRE_H_

#include <cstdint>
#include <type_traits>

#include "init/launch_plan.h"
#include "init/setup_step.h"

namespace glovebox {

inline constexpr uint32_t kSpawnMagic = 0x67625350;  // "gbSP"
inline constexpr int kSpawnerSocketFd = 3;
inline constexpr int kSpawnerInitFd = 4;
inline constexpr uint32_t kCgroupTasksMax = 8;
inline constexpr uint32_t kSpawnFdsMax =
    4 + kLayersMax + kBindsMax + kCacheLayersMax + kCgroupTasksMax + 1;

// What a request asks for; another spawner's only descriptor is its end of a new pair, and the
// answer carries its pidfd. It says nothing at its start.
enum class SpawnRequestKind : uint32_t { kSandbox = 0, kAnotherSpawner = 1 };

// How a detached mount's on-disk ids are shown inside the sandbox.
enum class IdMapKind : uint32_t {
  kSandbox =
      0,  // on disk 0..range-1 is inside 0..range-1 (disks, layers: ids on disk are canonical)
  kNone =
      1,  // no mapping: host ids show as nobody, only "other" permissions count (the host's /usr)
  kOwner = 2,  // host uid/gid `owner_*` is inside `inner_*`, everybody else nobody (a repository to
               // import from)
};

struct MountHandling {
  IdMapKind id_map;
  uint32_t read_only;
  uint32_t owner_uid, owner_gid;  // kOwner
  uint32_t inner_uid, inner_gid;  // kOwner
};

// Descriptors, in this order: plan memfd, listening socket, status socket, disk mount, layer_count
// layer mounts, bind_count bind mounts, cache_layer_count layer mounts of caches, tasks_count
// cgroup v1 tasks files (O_WRONLY), and, if has_cgroup2, the cgroup v2 directory that the child is
// born in.
struct SpawnRequest {
  uint32_t magic;
  uint32_t request_id;  // >= 1
  uint32_t
      host_id_first;  // the leased range: host ids host_id_first .. host_id_first + id_count - 1
  uint32_t id_count;
  uint32_t layer_count;
  uint32_t bind_count;
  uint32_t cache_layer_count;
  uint32_t tasks_count;
  uint32_t has_cgroup2;
  SpawnRequestKind kind;
  MountHandling binds[kBindsMax];
};
static_assert(std::is_trivially_copyable_v<SpawnRequest>);

struct SpawnReply {
  uint32_t magic;
  uint32_t request_id;
  SetupStep step;  // where it failed
  int32_t error;   // 0: the pidfd is attached and init goes on by itself (its report comes on the
                   // status socket)
  int32_t host_pid;
  uint32_t reserved;
  char detail[200];
};
static_assert(std::is_trivially_copyable_v<SpawnReply>);

}  // namespace glovebox

#endif  // GLOVEBOX_SPAWNER_SPAWN_WIRE_H_
