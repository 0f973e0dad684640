// What a caller demands of the host: "landlock", "landlock>=6", "cgroup>=2". Pure.
#ifndef GLOVEBOX_POLICY_REQUIREMENTS_H_
#define GLOVEBOX_POLICY_REQUIREMENTS_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"

namespace glovebox {

inline constexpr size_t kRequirementsMax = 32;

// One thing that a host enforces or not (v1.Capability).
struct HostCapability {
  enum class State { kAvailable, kDegraded, kMissing };
  std::string name;
  State state = State::kMissing;
  std::string mechanism;
  std::string remedy;
  uint64_t level = 0;
};

// Every one of `required` against what there is. NAME: it is kAvailable. NAME>=N: its level is at
// least N, whatever else is weaker about it. FAILED_PRECONDITION, CAPABILITY_MISSING, with the
// first that does not hold, what there is instead, and the remedy; a name that is not among
// `capabilities` does not hold. INVALID_ARGUMENT, INVALID_FIELD, for what is no requirement.
absl::Status CheckRequirements(const std::vector<std::string>& required,
                               const std::vector<HostCapability>& capabilities);

}  // namespace glovebox

#endif  // GLOVEBOX_POLICY_REQUIREMENTS_H_
