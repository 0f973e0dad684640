// A fixed number of threads that run what is given to them, in order of arrival. Work may have a
// key, which names whom it is for; then no more than a share of the threads works for one of them,
// however long that takes, and the rest of its work waits aside.
#ifndef GLOVEBOX_BASE_WORK_QUEUE_H_
#define GLOVEBOX_BASE_WORK_QUEUE_H_

#include <cstddef>
#include <deque>
#include <functional>
#include <map>
#include <string>
#include <thread>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"

namespace glovebox {

// Thread-safe. Work may add work.
class WorkQueue {
 public:
  // `waiting_max`: how many pieces may wait, a quarter of them for one key; TryRun refuses beyond
  // it. `share_max`: how many pieces of one key run at once; 0: any number.
  WorkQueue(int threads, size_t waiting_max, size_t share_max = 0);
  // Runs everything that is still waiting, then ends the threads.
  ~WorkQueue();
  WorkQueue(const WorkQueue&) = delete;
  WorkQueue& operator=(const WorkQueue&) = delete;

  // False, and `work` is dropped, when too much waits.
  // `key`: "" for work that is for nobody alone.
  [[nodiscard]] bool TryRun(std::function<void()> work, const std::string& key = "")
      ABSL_LOCKS_EXCLUDED(mutex_);
  // Never refuses: for clean-up, whose amount is bounded by what was created.
  void Run(std::function<void()> work, const std::string& key = "") ABSL_LOCKS_EXCLUDED(mutex_);

 private:
  struct Piece {
    std::function<void()> work;
    std::string key;  // of a share; "" for none
  };
  // Of one key: there while anything of it is.
  struct Share {
    size_t open = 0;  // run, or wait for a thread
    std::deque<std::function<void()>> aside;
  };

  void Loop();
  void Add(std::function<void()> work, const std::string& key)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // A piece of this key has run: the next one of it may.
  void Done(const std::string& key) ABSL_LOCKS_EXCLUDED(mutex_);

  const size_t waiting_max_;
  const size_t share_max_;
  absl::Mutex mutex_;
  bool closing_ ABSL_GUARDED_BY(mutex_) = false;
  std::deque<Piece> waiting_ ABSL_GUARDED_BY(mutex_);
  std::map<std::string, Share> shares_ ABSL_GUARDED_BY(mutex_);
  size_t aside_ ABSL_GUARDED_BY(mutex_) = 0;  // of all shares
  std::vector<std::thread> threads_;
};

}  // namespace glovebox

#endif  // GLOVEBOX_BASE_WORK_QUEUE_H_
