// A fixed number of threads that run what is given to them, in order of arrival.
#ifndef GLOVEBOX_BASE_WORK_QUEUE_H_
#define GLOVEBOX_BASE_WORK_QUEUE_H_

#include <deque>
#include <functional>
#include <thread>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"

namespace glovebox {

// Thread-safe. Work may add work.
class WorkQueue {
 public:
  // `waiting_max`: how many pieces may wait; TryRun refuses beyond it.
  WorkQueue(int threads, size_t waiting_max);
  // Runs everything that is still waiting, then ends the threads.
  ~WorkQueue();
  WorkQueue(const WorkQueue&) = delete;
  WorkQueue& operator=(const WorkQueue&) = delete;

  // False, and `work` is dropped, when too much waits.
  [[nodiscard]] bool TryRun(std::function<void()> work) ABSL_LOCKS_EXCLUDED(mutex_);
  // Never refuses: for clean-up, whose amount is bounded by what was created.
  void Run(std::function<void()> work) ABSL_LOCKS_EXCLUDED(mutex_);

 private:
  void Loop();

  const size_t waiting_max_;
  absl::Mutex mutex_;
  bool closing_ ABSL_GUARDED_BY(mutex_) = false;
  std::deque<std::function<void()>> waiting_ ABSL_GUARDED_BY(mutex_);
  std::vector<std::thread> threads_;
};

}  // namespace glovebox

#endif  // GLOVEBOX_BASE_WORK_QUEUE_H_
