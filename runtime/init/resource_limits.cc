#include "init/resource_limits.h"

#include <sys/resource.h>

#include "init/exec_limits.h"
#include "init/report.h"
#include "linux/bare_text.h"
#include "linux/raw_syscalls.h"

namespace glovebox {
namespace {

// Init maps the regions of all execs, lives for days and must never be ended by SIGXCPU's hard
// twin, which spares not even PID 1.
bool IsForCommandsOnly(uint32_t resource) {
  return resource == RLIMIT_AS || resource == RLIMIT_DATA || resource == RLIMIT_CPU;
}

// Root may lack CAP_SYS_RESOURCE on the host, and has it never here: a hard limit only goes down.
long Lower(const PlanRlimit& wanted, bool soft_is_hard) {
  rlimit64 now{};
  long result = raw::Call(__NR_prlimit64, 0, wanted.resource, nullptr, &now);
  if (result < 0) return result;
  uint64_t hard = wanted.hard < now.rlim_max ? wanted.hard : now.rlim_max;
  uint64_t soft = wanted.soft < hard && !soft_is_hard ? wanted.soft : hard;
  rlimit64 set{soft, hard};
  return raw::Call(__NR_prlimit64, 0, wanted.resource, &set, nullptr);
}

}  // namespace

void LimitInit(const LaunchPlan& plan) {
  for (uint32_t i = 0; i < plan.rlimit_count; ++i) {
    const PlanRlimit& wanted = plan.rlimits[i];
    if (IsForCommandsOnly(wanted.resource)) continue;
    TextBuffer<32> name;
    name.Add("rlimit ").AddNumber(wanted.resource);
    // Init holds descriptors of every command; the plan's limits are for each command's own.
    bool files = wanted.resource == RLIMIT_NOFILE;
    PlanRlimit own = wanted;
    if (files && own.hard < kDescriptorsMin) own.hard = kDescriptorsMin;
    Require(Lower(own, files), SetupStep::kResourceLimits, name.text());
  }
}

long LimitCommand(const LaunchPlan& plan) {
  for (uint32_t i = 0; i < plan.rlimit_count; ++i) {
    const PlanRlimit& wanted = plan.rlimits[i];
    if (!IsForCommandsOnly(wanted.resource) && wanted.resource != RLIMIT_NOFILE) continue;
    long result = Lower(wanted, false);
    if (result < 0) return result;
  }
  return 0;
}

}  // namespace glovebox
