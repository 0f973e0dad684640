// The journals of what changed in one sandbox's files: of its workdir, and of its whole root. They
// outlive the daemon, and a restore of a checkpoint, which the next look sees as any other change.
#ifndef GLOVEBOX_SANDBOX_SANDBOX_CHANGES_H_
#define GLOVEBOX_SANDBOX_SANDBOX_CHANGES_H_

#include <map>
#include <memory>
#include <string>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "base/clock.h"
#include "changes/change_journal.h"

namespace glovebox {

// Thread-safe.
class SandboxChanges {
 public:
  // `directory`: where the journals are stored; "": they stay in memory. `limits` are of each
  // journal. `memory` and `clock` outlive it; without `memory` it has its own.
  SandboxChanges(std::string id, std::string directory, const JournalLimits& limits,
                 JournalMemory* memory, const Clock* clock);

  // The journal of the tree at `root`, relative to the sandbox's root; "" is the whole. UNAVAILABLE
  // after Close.
  absl::StatusOr<std::shared_ptr<ChangeJournal>> Of(const std::string& root)
      ABSL_LOCKS_EXCLUDED(mutex_);
  // What cursors of that tree are bound to.
  std::string Subject(const std::string& root) const { return id_ + "/" + root; }

  // Before the directory is removed. Does not wait for looks.
  void Close() ABSL_LOCKS_EXCLUDED(mutex_);

 private:
  const std::string id_;
  const std::string directory_;
  const JournalLimits limits_;
  const Clock* const clock_;
  JournalMemory own_memory_;
  JournalMemory* const memory_;
  absl::Mutex mutex_;
  bool closed_ ABSL_GUARDED_BY(mutex_) = false;
  std::map<std::string, std::shared_ptr<ChangeJournal>> journals_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace glovebox

#endif  // GLOVEBOX_SANDBOX_SANDBOX_CHANGES_H_
