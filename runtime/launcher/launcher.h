// From a plan to a running glovebox-init: the daemon's side of glovebox-spawner.
#ifndef GLOVEBOX_LAUNCHER_LAUNCHER_H_
#define GLOVEBOX_LAUNCHER_LAUNCHER_H_

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "base/unique_fd.h"
#include "launcher/init_client.h"
#include "linux/process.h"
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
  // Starts glovebox-spawner from a sealed copy of `spawner_image`; inits will run from one of
  // `init_image`.
  static absl::StatusOr<std::unique_ptr<Launcher>> Start(absl::string_view spawner_image,
                                                         absl::string_view init_image);
  ~Launcher();  // the spawner ends with its socket; inits live on

  // Returns when init is ready. A failed step is INTERNAL (or what fits its errno) with reason
  // SETUP_FAILED and metadata step, errno, detail; nothing of the sandbox runs then. The
  // disk and the cgroups stay the caller's to remove.
  absl::StatusOr<LaunchedInit> Launch(LaunchRequest request) ABSL_LOCKS_EXCLUDED(mutex_);

 private:
  Launcher(UniqueFd socket, SpawnedProcess process);
  absl::StatusOr<std::pair<SpawnReply, UniqueFd>> Ask(SpawnRequest header,
                                                      const std::vector<int>& fds)
      ABSL_LOCKS_EXCLUDED(mutex_);

  absl::Mutex mutex_;
  UniqueFd socket_ ABSL_GUARDED_BY(mutex_);
  uint32_t next_request_ ABSL_GUARDED_BY(mutex_) = 1;
  SpawnedProcess process_;
};

}  // namespace glovebox

#endif  // GLOVEBOX_LAUNCHER_LAUNCHER_H_
