// From a plan to a running glovebox-init: the daemon's side of glovebox-spawner.
#ifndef GLOVEBOX_LAUNCHER_LAUNCHER_H_
#define GLOVEBOX_LAUNCHER_LAUNCHER_H_

#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "base/unique_fd.h"
#include "launcher/init_client.h"
#include "launcher/spawner_pair.h"
#include "spawner/spawn_wire.h"

namespace glovebox {

struct LaunchBind {
  UniqueFd mount;  // detached
  MountHandling handling;
};

// Everything a new sandbox is handed. Descriptors are consumed.
struct LaunchRequest {
  std::string plan;  // a LaunchPlan (launcher/plan_builder.h)
  uint32_t host_id_first = 0;
  uint32_t id_count = 0;
  UniqueFd disk;                       // detached mount
  std::vector<UniqueFd> layers;        // detached mounts, uppermost first
  std::vector<LaunchBind> binds;       // in the plan's order
  std::vector<UniqueFd> cache_layers;  // detached mounts, of each cache in the plan's order
  std::vector<UniqueFd> cgroup_tasks;  // cgroup v1 tasks files to join
  UniqueFd cgroup2;                    // cgroup v2 directory to be born in; may be invalid
  std::vector<UniqueFd> counters;      // as kHello passes them (init/frames.h), or none
  std::string socket_path;             // where init will listen; made here
};

struct LaunchedInit {
  UniqueFd pidfd;
  int32_t host_pid = 0;
  std::unique_ptr<InitClient> client;  // connected, kHello sent
};

// Thread-safe; launches are made one after another by the spawner, but wait for their inits side by
// side.
class Launcher {
 public:
  // Starts the glovebox-spawners from a sealed copy of `spawner_image`; inits will run from one of
  // `init_image`. `on_replaced` hears when a spawner had to be replaced, and may be null.
  static absl::StatusOr<std::unique_ptr<Launcher>> Start(
      absl::string_view spawner_image, absl::string_view init_image,
      SpawnerPair::ReplacedCallback on_replaced = nullptr);

  // Returns when init is ready. A failed step is INTERNAL (or what fits its errno) with reason
  // SETUP_FAILED and metadata step, errno, detail; nothing of the sandbox runs then. The
  // disk and the cgroups stay the caller's to remove. SPAWNER_GONE (launcher/spawner_pair.h): the
  // same, and what had begun of the sandbox ends with its cgroup. FAILED_PRECONDITION with reason
  // CACHE_TARGET_REFUSED for what an image or upper has where a cache is to be.
  absl::StatusOr<LaunchedInit> Launch(LaunchRequest request);

 private:
  explicit Launcher(std::unique_ptr<SpawnerPair> spawners) : spawners_(std::move(spawners)) {}

  const std::unique_ptr<SpawnerPair> spawners_;
};

}  // namespace glovebox

#endif  // GLOVEBOX_LAUNCHER_LAUNCHER_H_
