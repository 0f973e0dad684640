// Whether the output of ended execs can be stored, over all sandboxes of a daemon: told once when
// it begins to fail, and once when it works again.
#ifndef GLOVEBOX_EXEC_ARCHIVE_HEALTH_H_
#define GLOVEBOX_EXEC_ARCHIVE_HEALTH_H_

#include <functional>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"

namespace glovebox {

// Thread-safe.
class ArchiveHealth {
 public:
  // Called by whoever notes a change; it must not block.
  using Callback = std::function<void(const absl::Status&)>;

  explicit ArchiveHealth(Callback on_change) : on_change_(std::move(on_change)) {}

  void Note(const absl::Status& stored) ABSL_LOCKS_EXCLUDED(mutex_) {
    absl::MutexLock lock(&mutex_);
    if (failing_ == !stored.ok()) return;
    failing_ = !stored.ok();
    on_change_(stored);
  }

 private:
  const Callback on_change_;
  absl::Mutex mutex_;
  bool failing_ ABSL_GUARDED_BY(mutex_) = false;
};

}  // namespace glovebox

#endif  // GLOVEBOX_EXEC_ARCHIVE_HEALTH_H_
