// Who wants to know when a sandbox begins to work or its files go away.
#ifndef GLOVEBOX_SANDBOX_FILE_HINTS_H_
#define GLOVEBOX_SANDBOX_FILE_HINTS_H_

#include <cstdint>
#include <functional>
#include <map>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"

namespace glovebox {

enum class FileHint {
  kWorks,    // a command begins
  kFilesGo,  // what was known of its files holds no longer
};

// Thread-safe.
class FileHints {
 public:
  // Called on any thread, perhaps with locks of the sandbox held: must neither block nor call the
  // sandbox. May come once more after Remove.
  using Callback = std::function<void(FileHint)>;

  uint64_t Add(Callback callback) ABSL_LOCKS_EXCLUDED(mutex_) {
    absl::MutexLock lock(&mutex_);
    callbacks_[next_] = std::move(callback);
    return next_++;
  }
  void Remove(uint64_t token) ABSL_LOCKS_EXCLUDED(mutex_) {
    absl::MutexLock lock(&mutex_);
    callbacks_.erase(token);
  }
  void Tell(FileHint hint) const ABSL_LOCKS_EXCLUDED(mutex_) {
    std::vector<Callback> told;
    {
      absl::MutexLock lock(&mutex_);
      for (const auto& [token, callback] : callbacks_) told.push_back(callback);
    }
    for (const Callback& callback : told) callback(hint);
  }

 private:
  mutable absl::Mutex mutex_;
  uint64_t next_ ABSL_GUARDED_BY(mutex_) = 1;
  std::map<uint64_t, Callback> callbacks_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace glovebox

#endif  // GLOVEBOX_SANDBOX_FILE_HINTS_H_
