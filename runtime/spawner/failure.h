// Where and why the making of a sandbox failed; travels from the child to the spawner and on to the
// daemon as (step, errno, detail).
#ifndef GLOVEBOX_SPAWNER_FAILURE_H_
#define GLOVEBOX_SPAWNER_FAILURE_H_

#include <type_traits>

#include "init/setup_step.h"
#include "linux/bare_text.h"

namespace glovebox {

struct SpawnFailure {
  SetupStep step = SetupStep::kReceiveRequest;
  int error = 0;  // 0: no failure
  char detail[120] = {};

  bool failed() const { return error != 0; }
};
static_assert(std::is_trivially_copyable_v<SpawnFailure>);

// `result` below zero is -errno. True when the call succeeded; otherwise fills `failure`.
inline bool Succeeded(long result, SetupStep step, const char* detail, SpawnFailure* failure) {
  if (result >= 0) return true;
  failure->step = step;
  failure->error = static_cast<int>(-result);
  CopyText(failure->detail, detail);
  return false;
}

}  // namespace glovebox

#endif  // GLOVEBOX_SPAWNER_FAILURE_H_
