// What of /proc a payload does not see or cannot write.
#ifndef GLOVEBOX_POLICY_PROC_MASKS_H_
#define GLOVEBOX_POLICY_PROC_MASKS_H_

#include <vector>

namespace glovebox {

struct ProcMask {
  enum class Kind { kHide, kReadOnly };
  const char* path;  // absolute; passed over where the kernel does not have it
  Kind kind;
  const char* why;
};

// In the order of application: what is hidden below a read-only path comes first.
const std::vector<ProcMask>& ProcMasks();

}  // namespace glovebox

#endif  // GLOVEBOX_POLICY_PROC_MASKS_H_
