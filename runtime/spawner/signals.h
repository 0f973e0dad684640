// Signal dispositions as the kernel sees them, shared by the spawner and the child it clones.
#ifndef GLOVEBOX_SPAWNER_SIGNALS_H_
#define GLOVEBOX_SPAWNER_SIGNALS_H_

#include <stdint.h>

#include "linux/raw_syscalls.h"

namespace glovebox {

inline constexpr int kSignalMax = 64;
inline constexpr int kSigChld = 17;

struct KernelSigaction {
  uintptr_t handler;  // 0: default, 1: ignore
  unsigned long flags;
  uintptr_t restorer;
  uint64_t mask;
};

inline long SetDisposition(int signal, uintptr_t handler) {
  KernelSigaction action{handler, 0, 0, 0};
  return raw::Call(__NR_rt_sigaction, signal, &action, nullptr, sizeof(action.mask));
}

inline long UnblockAllSignals() {
  uint64_t none = 0;
  return raw::Call(__NR_rt_sigprocmask, 2 /* SIG_SETMASK */, &none, nullptr, sizeof(none));
}

}  // namespace glovebox

#endif  // GLOVEBOX_SPAWNER_SIGNALS_H_
