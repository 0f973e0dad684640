// Lets several threads wake one piece of work without two of them doing it at once.
#ifndef GLOVEBOX_BASE_TURN_H_
#define GLOVEBOX_BASE_TURN_H_

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"

namespace glovebox {

// Thread-safe. Use:  if (!turn.Begin()) return;  do { look and act; } while (!turn.End());
// Whatever was true before Begin is seen by a look after it, on this thread or the one that has the
// turn.
class Turn {
 public:
  // False: another thread has the turn and will look once more.
  [[nodiscard]] bool Begin() {
    absl::MutexLock lock(&mutex_);
    again_ = busy_;
    if (busy_) return false;
    busy_ = true;
    return true;
  }
  // False: somebody called Begin meanwhile; look once more.
  [[nodiscard]] bool End() {
    absl::MutexLock lock(&mutex_);
    busy_ = again_;
    again_ = false;
    return !busy_;
  }

 private:
  absl::Mutex mutex_;
  bool busy_ ABSL_GUARDED_BY(mutex_) = false;
  bool again_ ABSL_GUARDED_BY(mutex_) = false;
};

}  // namespace glovebox

#endif  // GLOVEBOX_BASE_TURN_H_
