// Controllers on cgroup v1 hierarchies.
#include <fcntl.h>

#include <utility>

#include "base/status.h"
#include "linux/cgroup_controllers.h"
#include "linux/cgroup_knobs.h"
#include "linux/file_io.h"

namespace glovebox {
namespace {

class V1Controllers final : public CgroupControllers {
 public:
  explicit V1Controllers(std::vector<V1Directory> directories)
      : directories_(std::move(directories)) {}

  absl::StatusOr<std::vector<UniqueFd>> OpenTasks() const override {
    std::vector<UniqueFd> tasks;
    for (const V1Directory& v1 : directories_) {
      ASSIGN_OR_RETURN(UniqueFd fd, OpenAt(v1.directory.get(), "tasks", O_WRONLY));
      tasks.push_back(std::move(fd));
    }
    return tasks;
  }

  absl::StatusOr<std::vector<UniqueFd>> OpenCounters() const override {
    std::vector<UniqueFd> counters(4);
    for (const V1Directory& v1 : directories_) {
      const int fd = v1.directory.get();
      if (v1.controller == "memory") {
        ASSIGN_OR_RETURN(counters[0], OpenCounter(fd, "memory.oom_control"));
        ASSIGN_OR_RETURN(counters[1], OpenCounter(fd, "memory.max_usage_in_bytes"));
      } else if (v1.controller == "pids") {
        ASSIGN_OR_RETURN(counters[2], OpenCounter(fd, "pids.events"));
        ASSIGN_OR_RETURN(counters[3], OpenCounter(fd, "pids.peak"));
      }
    }
    return counters;
  }

  absl::StatusOr<CgroupEvents> Events() const override {
    CgroupEvents events;
    for (const V1Directory& v1 : directories_) {
      const int fd = v1.directory.get();
      if (v1.controller == "memory") {
        ASSIGN_OR_RETURN(events.oom_kills, ReadKeyedNumber(fd, "memory.oom_control", "oom_kill"));
        ASSIGN_OR_RETURN(events.memory_usage_bytes, ReadNumber(fd, "memory.usage_in_bytes"));
        ASSIGN_OR_RETURN(events.memory_peak_bytes, ReadNumber(fd, "memory.max_usage_in_bytes"));
      } else if (v1.controller == "pids") {
        ASSIGN_OR_RETURN(events.pids_max_hits, ReadKeyedNumber(fd, "pids.events", "max"));
        ASSIGN_OR_RETURN(events.pids_current, ReadNumber(fd, "pids.current"));
      }
    }
    return events;
  }

 private:
  const std::vector<V1Directory> directories_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<CgroupControllers>> MakeV1Controllers(
    std::vector<V1Directory> directories, const CgroupLimits* limits) {
  for (const V1Directory& v1 : directories) {
    if (limits == nullptr) break;
    RETURN_IF_ERROR(
        Annotate(ApplyKnobs(v1.directory.get(), V1Knobs(v1.controller, *limits)), "cgroup v1"));
  }
  return std::make_unique<V1Controllers>(std::move(directories));
}

}  // namespace glovebox
