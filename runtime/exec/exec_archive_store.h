// The archives of one sandbox: a directory with a file per ended exec that printed something,
// bounded in number and bytes.
#ifndef GLOVEBOX_EXEC_EXEC_ARCHIVE_STORE_H_
#define GLOVEBOX_EXEC_EXEC_ARCHIVE_STORE_H_

#include <cstdint>
#include <map>
#include <memory>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "base/unique_fd.h"
#include "exec/archive_limits.h"
#include "exec/exec_archive.h"

namespace glovebox {

// Thread-safe; blocks on the disk.
class ExecArchiveStore {
 public:
  // Takes stock of `directory`; removes what a crash left half-written. Names that are not ours
  // are left alone.
  static absl::StatusOr<std::shared_ptr<ExecArchiveStore>> Open(UniqueFd directory,
                                                                const ArchiveLimits& limits);

  // Writes the archive, then removes the oldest ones beyond the limits (never the new one). Null:
  // the command had no output, and there is no file.
  absl::StatusOr<std::shared_ptr<const ExecArchive>> Write(uint32_t exec_no,
                                                           const OutputRegion& region)
      ABSL_LOCKS_EXCLUDED(mutex_);
  // NOT_FOUND: never written, or gone by the limits.
  absl::StatusOr<std::shared_ptr<const ExecArchive>> Read(uint32_t exec_no) const;
  void Remove(uint32_t exec_no) ABSL_LOCKS_EXCLUDED(mutex_);

  const ArchiveLimits& limits() const { return limits_; }

 private:
  ExecArchiveStore(UniqueFd directory, const ArchiveLimits& limits);
  absl::Status TakeStock() ABSL_LOCKS_EXCLUDED(mutex_);
  void DropOldest(uint32_t but) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  const UniqueFd directory_;
  const ArchiveLimits limits_;
  mutable absl::Mutex mutex_;
  std::map<uint32_t, uint64_t> sizes_ ABSL_GUARDED_BY(mutex_);  // by exec_no
  uint64_t bytes_ ABSL_GUARDED_BY(mutex_) = 0;
};

}  // namespace glovebox

#endif  // GLOVEBOX_EXEC_EXEC_ARCHIVE_STORE_H_
