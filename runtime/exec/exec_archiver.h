// Moves the output of ended execs of one sandbox from memory to disk.
#ifndef GLOVEBOX_EXEC_EXEC_ARCHIVER_H_
#define GLOVEBOX_EXEC_EXEC_ARCHIVER_H_

#include <deque>
#include <memory>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"
#include "exec/exec.h"
#include "exec/exec_archive_store.h"

namespace glovebox {

// Thread-safe; blocks on the disk.
class ExecArchiver {
 public:
  explicit ExecArchiver(std::shared_ptr<ExecArchiveStore> store) : store_(std::move(store)) {}

  // Saves the output of `exec`, which has ended. An error (the disk is full) is for the log only:
  // the output then stays in memory until `unsaved_max` later execs could not be saved either, and
  // is lost with the daemon; readers get a gap. The end may be acknowledged in either case.
  absl::Status Save(const std::shared_ptr<Exec>& exec) ABSL_LOCKS_EXCLUDED(mutex_);

  const std::shared_ptr<ExecArchiveStore>& store() const { return store_; }

 private:
  const std::shared_ptr<ExecArchiveStore> store_;
  absl::Mutex mutex_;
  std::deque<std::weak_ptr<Exec>> unsaved_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace glovebox

#endif  // GLOVEBOX_EXEC_EXEC_ARCHIVER_H_
