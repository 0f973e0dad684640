// Who goes first when the whole host runs out of memory (proc(5), oom_score_adj). The score is a
// process's own; what it starts inherits it together with the least value that a process without
// CAP_SYS_RESOURCE may return to, which is the last one that was written with that capability.
#ifndef GLOVEBOX_LINUX_OOM_SCORE_H_
#define GLOVEBOX_LINUX_OOM_SCORE_H_

#include "linux/kernel_features.h"

namespace glovebox {

inline constexpr int kProtectedOomScore = -900;

// Lowers the caller's score to kProtectedOomScore; one that is lower already stays. What it starts
// must raise its own (glovebox-spawner does). The result, for preflight, is degraded where the host
// withholds the right to it, and says the score that the caller has.
KernelFeature ProtectFromOomKiller();

// The judgement alone. `score`: what the process has.
KernelFeature JudgeOomScore(int score);

}  // namespace glovebox

#endif  // GLOVEBOX_LINUX_OOM_SCORE_H_
