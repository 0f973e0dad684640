// Controllers on the cgroup v2 tree.
#include <fcntl.h>

#include <algorithm>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "base/status.h"
#include "linux/cgroup_controllers.h"
#include "linux/cgroup_knobs.h"
#include "linux/file_io.h"

namespace glovebox {
namespace {

class V2Controllers final : public CgroupControllers {
 public:
  explicit V2Controllers(UniqueFd directory) : directory_(std::move(directory)) {}

  absl::StatusOr<std::vector<UniqueFd>> OpenTasks() const override {
    return std::vector<UniqueFd>();
  }

  absl::StatusOr<std::vector<UniqueFd>> OpenCounters() const override {
    std::vector<UniqueFd> counters;
    for (const char* file : {"memory.events", "memory.peak", "pids.events", "pids.peak"}) {
      ASSIGN_OR_RETURN(UniqueFd fd, OpenCounter(directory_.get(), file));
      counters.push_back(std::move(fd));
    }
    return counters;
  }

  absl::StatusOr<CgroupEvents> Events() const override {
    const int fd = directory_.get();
    CgroupEvents events;
    ASSIGN_OR_RETURN(events.oom_kills, ReadKeyedNumber(fd, "memory.events", "oom_kill"));
    ASSIGN_OR_RETURN(events.memory_usage_bytes, ReadNumber(fd, "memory.current"));
    // Since Linux 5.19; before, the use of now is the best that is known.
    events.memory_peak_bytes = ReadNumber(fd, "memory.peak").value_or(events.memory_usage_bytes);
    ASSIGN_OR_RETURN(events.pids_max_hits, ReadKeyedNumber(fd, "pids.events", "max"));
    ASSIGN_OR_RETURN(events.pids_current, ReadNumber(fd, "pids.current"));
    return events;
  }

 private:
  const UniqueFd directory_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<CgroupControllers>> MakeV2Controllers(UniqueFd directory,
                                                                     const CgroupLimits* limits) {
  if (limits != nullptr) {
    RETURN_IF_ERROR(Annotate(ApplyKnobs(directory.get(), V2Knobs(*limits)), "cgroup v2"));
  }
  return std::make_unique<V2Controllers>(std::move(directory));
}

absl::StatusOr<UniqueFd> OpenCounter(int directory_fd, const std::string& file) {
  absl::StatusOr<UniqueFd> counter = OpenAt(directory_fd, file, O_RDONLY);
  if (absl::IsNotFound(counter.status())) return OpenAt(AT_FDCWD, "/dev/null", O_RDONLY);
  return counter;
}

absl::Status EnableV2Controllers(int directory_fd) {
  ASSIGN_OR_RETURN(const std::string text,
                   ReadFileAt(directory_fd, "cgroup.controllers", kControlFileBytesMax));
  const std::vector<absl::string_view> present =
      absl::StrSplit(absl::StripAsciiWhitespace(text), ' ');
  for (const char* controller : kCgroupControllers) {
    if (std::find(present.begin(), present.end(), controller) == present.end()) {
      return MissingController(controller, CgroupVersion::kV2);
    }
    const absl::Status enabled =
        WriteKernelFileAt(directory_fd, "cgroup.subtree_control", absl::StrCat("+", controller));
    if (absl::IsFailedPrecondition(enabled) || absl::IsUnavailable(enabled)) {
      return Annotate(enabled,
                      "a cgroup with processes of its own cannot hand controllers down; start the "
                      "daemon in a child of its delegated cgroup (systemd: Delegate=yes, "
                      "DelegateSubgroup=)");
    }
    RETURN_IF_ERROR(enabled);
  }
  return absl::OkStatus();
}

}  // namespace glovebox
