// The seam between the grouping (cgroup.cc) and where the controllers are: v1 or v2.
#ifndef GLOVEBOX_LINUX_CGROUP_CONTROLLERS_H_
#define GLOVEBOX_LINUX_CGROUP_CONTROLLERS_H_

#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/unique_fd.h"
#include "linux/cgroup.h"

namespace glovebox {

// Limits and accounting of one sandbox. Thread-safe.
class CgroupControllers {
 public:
  virtual ~CgroupControllers() = default;
  // What init has to join besides the v2 directory.
  virtual absl::StatusOr<std::vector<UniqueFd>> OpenTasks() const = 0;
  // The files that count kills for want of memory, the memory peak, refused forks and the peak of
  // processes, in this order, read-only; /dev/null in place of one that this kernel has not.
  virtual absl::StatusOr<std::vector<UniqueFd>> OpenCounters() const = 0;
  // All but cpu_usage_us, which the v2 tree counts on every host.
  virtual absl::StatusOr<CgroupEvents> Events() const = 0;
};

// One v1 hierarchy's directory of the sandbox.
struct V1Directory {
  std::string controller;
  UniqueFd directory;
};

// Apply `limits`; null: they are in force already (a sandbox that is adopted).
absl::StatusOr<std::unique_ptr<CgroupControllers>> MakeV1Controllers(
    std::vector<V1Directory> directories, const CgroupLimits* limits);
absl::StatusOr<std::unique_ptr<CgroupControllers>> MakeV2Controllers(UniqueFd directory,
                                                                     const CgroupLimits* limits);

// Hands memory, pids and cpu down to the children of this v2 directory.
absl::Status EnableV2Controllers(int directory_fd);

// One file of OpenCounters.
absl::StatusOr<UniqueFd> OpenCounter(int directory_fd, const std::string& file);

// FAILED_PRECONDITION with reason CGROUP_CONTROLLER_MISSING.
absl::Status MissingController(const std::string& controller, CgroupVersion version);

inline constexpr const char* kCgroupControllers[] = {"memory", "pids", "cpu"};

}  // namespace glovebox

#endif  // GLOVEBOX_LINUX_CGROUP_CONTROLLERS_H_
