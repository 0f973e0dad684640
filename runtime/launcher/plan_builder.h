// From a sandbox's description to the flat plan that glovebox-init carries out. Pure: no system
// call.
#ifndef GLOVEBOX_LAUNCHER_PLAN_BUILDER_H_
#define GLOVEBOX_LAUNCHER_PLAN_BUILDER_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "launcher/seccomp_compiler.h"
#include "policy/exec_limits.h"
#include "policy/landlock.h"
#include "policy/sandbox_limits.h"

namespace glovebox {

struct PlanBindInput {
  std::string target;  // absolute path inside, normal form, not "/"
  bool is_directory = true;
  bool own_view = false;  // see PlanBind
};

struct PlanCacheInput {
  std::string target;        // as of a bind
  std::string subdirectory;  // lowerdir inside each of its layers' mounts
  std::string shown;         // directory of the overlay of them that is mounted
  uint32_t layer_count = 0;  // 1..kLayersMax, of all caches together at most kCacheLayersMax
};

// A value. The descriptors that belong to layers, binds and caches travel beside it in the same
// order.
struct PlanInput {
  std::string hostname;             // 1..64 of [a-zA-Z0-9.-]
  std::string workdir;              // "": "/"
  std::vector<std::string> layers;  // lowerdir inside each layer's mount, "" for its root;
                                    // uppermost first; 1..kLayersMax
  std::vector<PlanBindInput> binds;
  std::vector<PlanCacheInput> caches;
  SandboxLimits limits;
  uint32_t exec_max = kExecsAtOnceMax;
  bool root_inside = false;
  bool way_out = false;                  // listeners in it can have every connection
  bool commands_as_root = false;         // commands that name no user are uid 0; needs root_inside
  std::vector<std::string> environment;  // "NAME=value"; added to the defaults, later ones win
  const SeccompPrograms* filters = nullptr;  // required; copied. Their tier decides on namespaces
  LandlockPolicy landlock;                   // as made: none where the kernel has none
};

// The bytes of a LaunchPlan (init/launch_plan.h), texts and filters included, ready for a sealed
// memfd. INVALID_ARGUMENT with reason INVALID_PLAN and metadata field for what init would refuse;
// OUT_OF_RANGE as from Validate(SandboxLimits).
absl::StatusOr<std::string> BuildPlan(const PlanInput& input);

// A plan's content, one fact a line, for people and tests. Reads only what lies inside of `plan`;
// DATA_LOSS for a plan that does not fit.
absl::StatusOr<std::string> DescribePlan(absl::string_view plan);

}  // namespace glovebox

#endif  // GLOVEBOX_LAUNCHER_PLAN_BUILDER_H_
