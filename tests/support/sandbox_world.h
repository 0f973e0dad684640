// Everything that sandboxes need, in one process and one private directory: the daemon's wiring
// without gRPC.
#ifndef GLOVEBOX_TESTS_SUPPORT_SANDBOX_WORLD_H_
#define GLOVEBOX_TESTS_SUPPORT_SANDBOX_WORLD_H_

#include <memory>
#include <set>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "base/clock.h"
#include "base/work_queue.h"
#include "launcher/launcher.h"
#include "launcher/seccomp_compiler.h"
#include "linux/cgroup.h"
#include "linux/event_loop.h"
#include "sandbox/sandbox_manager.h"
#include "sandbox/state_db.h"
#include "snapshot/disk.h"
#include "snapshot/host_image.h"
#include "snapshot/image_store.h"
#include "snapshot/snapshot_store.h"

namespace glovebox {

// Made in a private mount namespace (the test's main enters one). Destruction ends every sandbox
// and removes everything.
class SandboxWorld {
 public:
  // Layers to leave out, so that a test sees the others hold alone. The daemon has no such switch.
  struct Without {
    bool filters = false;   // every system call is let through to the kernel
    bool landlock = false;  // as on a kernel that has none
  };
  static absl::StatusOr<std::unique_ptr<SandboxWorld>> Make() { return Make(Without{}); }
  static absl::StatusOr<std::unique_ptr<SandboxWorld>> Make(Without without) {
    return Make(without, Parts{});
  }
  // What is not as in the daemon, where a test has its own.
  struct Parts {
    const Clock* clock = nullptr;  // outlives it
    JournalLimits journals;
  };
  static absl::StatusOr<std::unique_ptr<SandboxWorld>> Make(Without without, const Parts& parts);
  // As a daemon with state.db below `directory` (absolute, its last component a random id; made if
  // need be). Its sandboxes outlive it and its process, and the next one of the same directory
  // takes them over. EndAll ends it all instead.
  static absl::StatusOr<std::unique_ptr<SandboxWorld>> MakeLasting(const std::string& directory);
  void EndAll() { lasting_ = false; }
  const AdoptionReport& adoption() const { return adoption_; }
  ~SandboxWorld();

  SandboxManager& manager() { return *manager_; }
  CgroupDriver& cgroups() { return *cgroups_; }
  EventLoop& events() { return *events_; }
  const std::string& directory() const { return directory_; }

 private:
  SandboxWorld() = default;
  absl::Status Build(const std::string& instance, Without without, const Parts& parts);
  absl::Status OpenRecords(const std::string& path, StateDb::Contents* found,
                           std::set<std::string>* sandboxes, std::set<std::string>* disks);

  bool lasting_ = false;
  AdoptionReport adoption_;

  // In reverse order of destruction.
  std::string directory_;
  std::unique_ptr<StateDb> state_;
  RealClock clock_;
  SeccompPrograms filters_;
  std::unique_ptr<CgroupDriver> cgroups_;
  std::unique_ptr<IdRanges> ids_;
  std::unique_ptr<DiskFactory> disks_;
  std::unique_ptr<HostImage> host_;
  std::unique_ptr<SnapshotStore> snapshots_;
  std::unique_ptr<ImageStore> images_;
  std::unique_ptr<Launcher> launcher_;
  std::unique_ptr<EventLoop> events_;
  std::unique_ptr<WorkQueue> cleanup_;
  std::unique_ptr<WorkQueue> looks_after_ends_;
  std::unique_ptr<SandboxManager> manager_;
};

// What a command printed and how it ended.
struct Outcome {
  std::string out;
  std::string err;
  ExecResult result;
  uint64_t gap_bytes = 0;
};
absl::StatusOr<Outcome> Collect(const std::shared_ptr<Exec>& exec, bool paces = false);
absl::StatusOr<Outcome> RunIn(Sandbox& sandbox, const ExecSpec& spec);
ExecSpec Shell(const std::string& script);

}  // namespace glovebox

#endif  // GLOVEBOX_TESTS_SUPPORT_SANDBOX_WORLD_H_
