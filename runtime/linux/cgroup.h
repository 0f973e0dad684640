// The cgroups of sandboxes: limits, accounting, grouping and killing.
//
// Theory. Limits are on the controllers that the host has: cgroup v2, or v1 hierarchies of memory,
// pids and cpu. Grouping and killing are on a cgroup v2 tree in both cases:
//
//   <v2 mount>/<parent>/glovebox-<instance>/<sandbox>           born into by glovebox-init
//                                                    /exec-<n>  born into by command n
//   <v1 mount of each controller>/<parent>/glovebox-<instance>/<sandbox>
//
// Nothing is ever moved by writing a pid to cgroup.procs, which waits 5 to 15 ms for an RCU grace
// period: children are born with clone3(CLONE_INTO_CGROUP), and join v1 by writing "0" to an
// inherited `tasks` file. Once cgroup.kill was written to a cgroup, every later CLONE_INTO_CGROUP
// child of it dies at birth, hence one fresh leaf for each command. CLONE_INTO_CGROUP needs write
// access to cgroup.procs of the leaf and of the nearest ancestor of both cgroups, which is the
// sandbox's directory: both belong to the sandbox's root uid. That uid sees the files through
// inherited descriptors only; no cgroup file system is mounted inside.
//
// Init lives in the sandbox's directory itself and not in a leaf beside the commands: the root of
// its cgroup namespace is where it is when it makes one, and on a tree mounted with nsdelegate
// (systemd's default) the kernel answers a CLONE_INTO_CGROUP outside of that root with ENOENT. So
// no controller is handed down to the leaves, and memory.oom.group stays 0: it would end init, and
// with it every other command, each time one command meets the memory limit.
#ifndef GLOVEBOX_LINUX_CGROUP_H_
#define GLOVEBOX_LINUX_CGROUP_H_

#include <sys/types.h>

#include <cstdint>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/unique_fd.h"
#include "linux/cgroup_host.h"

namespace glovebox {

class CgroupControllers;  // linux/cgroup_controllers.h

struct CgroupLimits {
  uint64_t memory_bytes = 0;  // swap is 0 on top
  uint64_t pids_max = 0;
  uint64_t cpu_millis = 0;  // thousandths of one CPU
};

struct CgroupEvents {
  uint64_t oom_kills = 0;
  uint64_t pids_max_hits = 0;  // forks refused by the limit
  uint64_t memory_usage_bytes = 0;
  uint64_t memory_peak_bytes = 0;
  uint64_t cpu_usage_us = 0;
  uint64_t pids_current = 0;
};

// Where glovebox-init is started.
struct CgroupEntry {
  std::vector<UniqueFd> tasks;     // v1 `tasks` files, O_WRONLY: the child writes "0" to each
  UniqueFd directory;              // v2 directory for CLONE_INTO_CGROUP
  std::vector<UniqueFd> counters;  // read-only, in the order of CounterFd (init/frames.h)
};

// Where one command is started. O_CLOEXEC, read-only directory; `kill` is cgroup.kill, O_WRONLY.
struct ExecLeaf {
  UniqueFd directory;
  UniqueFd kill;
  uint64_t id = 0;  // that the kernel gives a cgroup, and no other one ever
};

// The cgroups of one sandbox. Destruction removes nothing. Thread-safe.
class SandboxCgroup {
 public:
  SandboxCgroup(UniqueFd instance, std::string id, UniqueFd directory,
                std::unique_ptr<CgroupControllers> controllers, uid_t host_root_uid,
                std::vector<UniqueFd> v1_instances);
  ~SandboxCgroup();

  absl::StatusOr<CgroupEntry> OpenEntry() const;

  // A fresh leaf; ALREADY_EXISTS when `number` was used and not removed.
  absl::StatusOr<ExecLeaf> CreateExecLeaf(uint32_t number) const;
  // Waits until the leaf is empty, at most kEmptyTimeoutMs, and removes it. A missing one is fine.
  // DEADLINE_EXCEEDED with reason CGROUP_BUSY while something lives in it.
  absl::Status RemoveExecLeaf(uint32_t number) const;

  // SIGKILL to everything in it at once. NOT_FOUND when nothing lives in it, or it was removed.
  absl::Status KillExecLeaf(uint32_t number) const;

  // Numbers of the leaves that are there.
  absl::StatusOr<std::vector<uint32_t>> ListExecLeaves() const;
  // Of the same, by the id that the kernel gives a cgroup.
  absl::StatusOr<std::map<uint64_t, uint32_t>> ExecLeafIds() const;
  // Removes a leaf that is empty already; one where something lives stays.
  void RemoveExecLeafIfEmpty(uint32_t number) const;

  // The process that lives in the sandbox's directory itself, which is init: commands live in their
  // leaves. It is proved to be PID 1 of a pid namespace below ours and to run as the sandbox's
  // root. NOT_FOUND when nothing lives there any more, FAILED_PRECONDITION when it is not init.
  struct Init {
    UniqueFd pidfd;
    pid_t pid = 0;
  };
  absl::StatusOr<Init> FindInit() const;

  // Stops every command where it stands, init not: it goes on answering. Returns when none runs;
  // on an error they all run. No leaf may be made meanwhile. Errors as of FreezeCgroup
  // (linux/cgroup_directory.h). A frozen process can be killed.
  absl::Status FreezeCommands() const;
  absl::Status ThawCommands() const;

  // The same for everything in the sandbox, init included: for moments.
  absl::Status Freeze() const;
  absl::Status Thaw() const;

  // SIGKILL to everything in the sandbox at once, forks in flight included. After it the only
  // thing to do with this sandbox is Remove.
  absl::Status Kill() const;

  absl::StatusOr<CgroupEvents> Events() const;

  // Waits until everything in it has ended, at most kEmptyTimeoutMs, and removes all directories.
  // Idempotent. DEADLINE_EXCEEDED with reason CGROUP_BUSY while something lives.
  absl::Status Remove() const;

  static constexpr int kEmptyTimeoutMs = 10000;
  static constexpr int kFreezeTimeoutMs = 5000;

 private:
  const UniqueFd instance_;  // the directory of the instance on v2
  const std::string id_;
  const UniqueFd directory_;
  const std::unique_ptr<CgroupControllers> controllers_;
  const uid_t host_root_uid_;
  const std::vector<UniqueFd> v1_instances_;
};

struct CgroupOptions {
  std::string instance;  // of this daemon on the host, [a-z0-9-]
  std::string parent;    // below each hierarchy's mount, "" for its root; must exist
};

// Thread-safe.
class CgroupDriver {
 public:
  // Makes the instance's directories and switches the controllers on. FAILED_PRECONDITION with
  // reason CGROUP_CONTROLLER_MISSING (metadata controller, remedy) when memory, pids or cpu cannot
  // be limited, CGROUP2_MISSING when `host` has no cgroup2 mount (see MountCgroup2),
  // CGROUP_KILL_MISSING before Linux 5.14.
  static absl::StatusOr<std::unique_ptr<CgroupDriver>> Open(const CgroupHost& host,
                                                            const CgroupOptions& options);
  ~CgroupDriver();

  // Directories with limits in force, each of them read back.
  // `host_root_uid`: the host's name of the sandbox's uid 0. On an error nothing is left. `id`:
  // [a-z0-9-]; ALREADY_EXISTS when it is in use.
  absl::StatusOr<std::unique_ptr<SandboxCgroup>> CreateSandbox(const std::string& id,
                                                               const CgroupLimits& limits,
                                                               uid_t host_root_uid);

  // The directories of a sandbox that an earlier daemon made, as they are. NOT_FOUND when one is
  // missing.
  absl::StatusOr<std::unique_ptr<SandboxCgroup>> AdoptSandbox(const std::string& id,
                                                              uid_t host_root_uid);

  // Kills what lives in the sandbox and removes its directories. A missing one is fine.
  absl::Status RemoveSandbox(const std::string& id) const;

  // The same for every sandbox of this instance that an earlier daemon left, but for `kept`.
  absl::Status RemoveLeftovers(const std::set<std::string>& kept = {});

  // RemoveLeftovers, and the instance's own directories. The driver is of no use afterwards.
  absl::Status RemoveInstance();

  CgroupVersion version() const { return version_; }

 private:
  // The directory of this instance on one hierarchy.
  struct InstanceRoot {
    std::string controller;  // "" on v2
    UniqueFd parent;
    UniqueFd directory;
  };

  CgroupDriver(CgroupVersion version, std::string instance_name);
  absl::StatusOr<InstanceRoot> OpenRoot(const std::string& mount, const std::string& parent) const;
  absl::Status OpenV2(const CgroupHost& host, const std::string& parent);
  absl::Status OpenV1(const CgroupHost& host, const std::string& parent);
  absl::StatusOr<std::unique_ptr<SandboxCgroup>> Assemble(const std::string& id,
                                                          const CgroupLimits* limits,
                                                          uid_t host_root_uid) const;
  absl::StatusOr<std::unique_ptr<CgroupControllers>> MakeControllers(
      const std::string& id, const CgroupLimits* limits) const;

  const CgroupVersion version_;
  const std::string instance_name_;  // "glovebox-<instance>"
  InstanceRoot v2_;
  std::vector<InstanceRoot> v1_;  // empty on kV2
};

}  // namespace glovebox

#endif  // GLOVEBOX_LINUX_CGROUP_H_
