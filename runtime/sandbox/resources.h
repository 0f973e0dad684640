// What exists on the host for one sandbox, acquired together and given back together.
#ifndef GLOVEBOX_SANDBOX_RESOURCES_H_
#define GLOVEBOX_SANDBOX_RESOURCES_H_

#include <memory>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "linux/cgroup.h"
#include "sandbox/id_ranges.h"
#include "sandbox/sandbox.h"
#include "sandbox/sandbox_way_out.h"
#include "snapshot/disk.h"
#include "snapshot/layer.h"

namespace glovebox {

// What a sandbox keeps when its files are put back: it goes from the object that ends to the one
// that begins. Not thread-safe.
struct Sandbox::Estate {
  std::optional<IdRanges::Lease> ids;  // no process of the range is left
  std::shared_ptr<ExecArchiver> archiver;
  std::string output_path;
  std::string egress_bytes_path;
  std::shared_ptr<SandboxChanges> changes;
  std::map<std::string, std::shared_ptr<Exec>, std::less<>> execs;  // all have ended
  std::deque<EndedExec> unrecorded;
  uint32_t next_exec_no = 1;
};

// Not thread-safe; guarded by its sandbox.
struct Sandbox::Resources {
  // All or nothing. `disk` null: a blank one. `estate` null: nothing is inherited.
  static absl::StatusOr<std::unique_ptr<Resources>> Acquire(const SandboxDeps& deps,
                                                            const SandboxBlueprint& blueprint,
                                                            std::unique_ptr<Disk> disk,
                                                            Estate* estate = nullptr);

  // Of a sandbox that an earlier daemon made and whose init lives; all or nothing. NOT_FOUND: init
  // has ended. What is found of init goes to `init`.
  static absl::StatusOr<std::unique_ptr<Resources>> FindRunning(const SandboxDeps& deps,
                                                                const SandboxBlueprint& blueprint,
                                                                const SandboxRow& row,
                                                                const LoopDevices& devices,
                                                                LaunchedInit* init);
  // Of one whose init has ended: what its files need. Its processes are killed and its cgroups
  // removed first. Never null; without a disk when that cannot be read any more.
  static std::unique_ptr<Resources> FindStopped(const SandboxDeps& deps,
                                                const SandboxBlueprint& blueprint,
                                                const SandboxRow& row, const LoopDevices& devices,
                                                bool same_boot);

  // Takes over what outlives the files, or hands it on.
  void Inherit(Estate* estate);
  void Bequeath(Estate* estate);

  // The directory for the output of ended execs, and for what is known of changes.
  absl::Status OpenArchive(const SandboxDeps& deps, const std::string& id);

  // The plan and the descriptors for the spawner.
  absl::StatusOr<LaunchRequest> MakeLaunchRequest(const SandboxDeps& deps,
                                                  const SandboxBlueprint& blueprint) const;

  absl::StatusOr<SandboxFiles> OpenFiles() const;

  // Removes the cgroups, the socket, the output, the count of bytes, the disk; the ids last. When
  // processes could not be ended, the ids are not given back: a range with a live process is never
  // leased again.
  void GiveBack();

  // Keeps all of it on the host when this is destroyed.
  void Leave();

  // Destroyed from the bottom up: the disk goes before the ids that its files were shown with.
  WorkQueue* cleanup = nullptr;
  absl::Status ended;  // whether every process is known to be gone
  std::optional<IdRanges::Lease> ids;
  std::shared_ptr<SandboxCgroup> cgroup;
  RootLayers image;
  std::vector<Layer> snapshot;
  std::unique_ptr<Disk> disk;
  std::string socket_path;
  std::shared_ptr<ExecArchiver> archiver;  // null when output stays in memory
  std::string output_path;
  std::string egress_bytes_path;            // made when it has a way out
  std::shared_ptr<SandboxChanges> changes;  // null only after it was handed on
  std::shared_ptr<SandboxWayOut> way_out;   // null: it has none
};

}  // namespace glovebox

#endif  // GLOVEBOX_SANDBOX_RESOURCES_H_
