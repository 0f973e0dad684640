// What this host's kernel gives, for `glovebox preflight`. Each probe tries the thing itself where
// that is possible without leaving a trace.
#ifndef GLOVEBOX_LINUX_KERNEL_FEATURES_H_
#define GLOVEBOX_LINUX_KERNEL_FEATURES_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"

namespace glovebox {

enum class FeatureState { kOk, kDegraded, kMissing };
const char* FeatureStateName(FeatureState state);

struct KernelFeature {
  std::string name;  // stable, lower_snake_case
  FeatureState state = FeatureState::kMissing;
  std::string found;   // what was seen, e.g. "6.18.44" or "ABI 7"
  std::string lost;    // what does not hold without it; "" when kOk
  std::string remedy;  // "" when kOk
  uint64_t level = 0;  // grows with what it gives, e.g. an ABI; 0: it has none
};

// Whether sandboxes' connections to any port come to the way out; and what is so where they do not.
inline constexpr char kEveryPortFeature[] = "egress_all_ports";
inline constexpr char kWithoutEveryPort[] =
    "without a proxy sandboxes reach the ports that their rules name, and 22, 80, 443 and 9418 in "
    "mode FULL; no server inside can have one of those, and what is refused at others is in no "
    "record";

// Probes everything, in the order of the document. Some probes fork, so call it from a program
// without threads (preflight). About 30 ms.
std::vector<KernelFeature> ProbeKernelFeatures();

// The judgement of single values, apart from reading them.
KernelFeature JudgeKernelVersion(absl::string_view release);
KernelFeature JudgeCorePattern(absl::string_view pattern);
KernelFeature JudgeLandlock(int abi);
// `opened`: of FileEvents::Probe.
KernelFeature JudgeFileEvents(const absl::Status& opened, bool tells_overlay_writes);
KernelFeature JudgeSwaps(absl::string_view proc_swaps);
// `at_least`: the value from which on the sysctl is good.
KernelFeature JudgeSysctl(absl::string_view name, absl::string_view value, int at_least,
                          absl::string_view lost);

}  // namespace glovebox

#endif  // GLOVEBOX_LINUX_KERNEL_FEATURES_H_
