// Tries of single kernel facilities, each without a trace. Those that change the process do it in a
// forked child.
#ifndef GLOVEBOX_LINUX_KERNEL_PROBES_H_
#define GLOVEBOX_LINUX_KERNEL_PROBES_H_

#include <string>

namespace glovebox {

struct ProbeResult {
  bool works = false;
  std::string found;  // "works", or the call that failed with its errno
};

ProbeResult ProbeUserNamespace();
ProbeResult ProbeOverlayInUserNamespace();
ProbeResult ProbeIdMappedMounts();
ProbeResult ProbeCloneIntoCgroup();
ProbeResult ProbePidfd();
ProbeResult ProbeSeccompFilter();
ProbeResult ProbeLoopControl();
ProbeResult ProbeSocketLookup();
int LandlockAbi();  // 0: none

}  // namespace glovebox

#endif  // GLOVEBOX_LINUX_KERNEL_PROBES_H_
