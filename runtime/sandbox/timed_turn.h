// What one thread has at a time, and others wait for no longer than they want to.
#ifndef GLOVEBOX_SANDBOX_TIMED_TURN_H_
#define GLOVEBOX_SANDBOX_TIMED_TURN_H_

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"

namespace glovebox {

// Thread-safe.
class TimedTurn {
 public:
  // False: another thread had it all the time.
  [[nodiscard]] bool Take(absl::Duration timeout) ABSL_LOCKS_EXCLUDED(mutex_) {
    absl::MutexLock lock(&mutex_);
    const auto free = [this]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) { return !taken_; };
    if (!mutex_.AwaitWithTimeout(absl::Condition(&free), timeout)) return false;
    taken_ = true;
    return true;
  }
  void Give() ABSL_LOCKS_EXCLUDED(mutex_) {
    absl::MutexLock lock(&mutex_);
    taken_ = false;
  }

 private:
  absl::Mutex mutex_;
  bool taken_ ABSL_GUARDED_BY(mutex_) = false;
};

}  // namespace glovebox

#endif  // GLOVEBOX_SANDBOX_TIMED_TURN_H_
