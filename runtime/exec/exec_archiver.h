// Moves the output of ended execs of one sandbox from memory to disk.
#ifndef GLOVEBOX_EXEC_EXEC_ARCHIVER_H_
#define GLOVEBOX_EXEC_EXEC_ARCHIVER_H_

#include <deque>
#include <memory>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"
#include "exec/archive_health.h"
#include "exec/exec.h"
#include "exec/exec_archive_store.h"

namespace glovebox {

// Thread-safe; blocks on the disk.
class ExecArchiver {
 public:
  // `health` may be null; it outlives this.
  ExecArchiver(std::shared_ptr<ExecArchiveStore> store, ArchiveHealth* health)
      : store_(std::move(store)), health_(health) {}

  // Saves the output of `exec`, which has ended. An error (the disk is full): the output stays in
  // memory, which is to be kept by init too: do not acknowledge the end, call again later. Of more
  // than `unsaved_max` such execs the oldest gives its output up, and its result says so
  // (ExecResult::output_lost_error); saving it is OK then.
  // CANCELLED after Close.
  absl::Status Save(const std::shared_ptr<Exec>& exec) ABSL_LOCKS_EXCLUDED(closing_, mutex_);

  // The directory goes: returns when nothing is written there any more.
  void Close() ABSL_LOCKS_EXCLUDED(closing_);

  const std::shared_ptr<ExecArchiveStore>& store() const { return store_; }

 private:
  const std::shared_ptr<ExecArchiveStore> store_;
  ArchiveHealth* const health_;
  absl::Mutex closing_;  // shared by all who save
  bool closed_ ABSL_GUARDED_BY(closing_) = false;
  absl::Mutex mutex_;
  std::deque<std::shared_ptr<Exec>> unsaved_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace glovebox

#endif  // GLOVEBOX_EXEC_EXEC_ARCHIVER_H_
