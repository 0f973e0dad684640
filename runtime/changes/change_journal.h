// The points at which one tree of one sandbox was looked at: looks again, says what changed between
// two of them, and keeps that over restarts of the daemon.
//
// A look is a scan of the upper (upper_scan.h), the only truth there is; a file that the journal
// knows by its fingerprint is not read again. What a look found is stored before its point is told,
// so a point that somebody holds is known to the next daemon.
//
// What is kept is bounded. When it grows too large the older points are given up; when even one
// point is too large nothing is kept of it. Whoever asks for what changed since a point that is not
// known any more gets the whole, and is told so.
#ifndef GLOVEBOX_CHANGES_CHANGE_JOURNAL_H_
#define GLOVEBOX_CHANGES_CHANGE_JOURNAL_H_

#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "base/clock.h"
#include "base/unique_fd.h"
#include "changes/change.h"
#include "changes/journal_cursor.h"
#include "changes/journal_file.h"
#include "changes/journal_history.h"
#include "changes/upper_scan.h"

namespace glovebox {

struct JournalLimits {
  uint64_t history_bytes_max = 64ull << 20;   // of one journal, in memory; its file has less
  uint64_t unchanged_bytes_max = 8ull << 20;  // for files that were copied up and are as they were
  uint64_t file_bytes_max = 256ull << 20;     // a stored one that is longer is not read
  // A stored journal is written anew when it has more than twice what the last writing had, and
  // this.
  uint64_t file_slack_bytes = 4ull << 20;
  ScanLimits scan;
};

// What all journals of a daemon may have in memory between calls; the others are read from their
// file each time. Thread-safe.
class JournalMemory {
 public:
  explicit JournalMemory(uint64_t bytes_max) : bytes_max_(bytes_max) {}
  // Replaces a share of `old_bytes`; false, and the share is 0 then, when it does not fit.
  [[nodiscard]] bool Exchange(uint64_t old_bytes, uint64_t new_bytes);
  uint64_t used() const { return used_.load(std::memory_order_relaxed); }

 private:
  const uint64_t bytes_max_;
  std::atomic<uint64_t> used_ = 0;
};

// Thread-safe; one look or listing at a time, the others wait.
class ChangeJournal {
 public:
  // In the file `name` in `directory_fd`, which is duplicated; -1: in memory only. `memory` and
  // `clock` outlive it.
  static absl::StatusOr<std::unique_ptr<ChangeJournal>> Open(int directory_fd, std::string name,
                                                             const JournalLimits& limits,
                                                             JournalMemory* memory,
                                                             const Clock* clock);
  ~ChangeJournal();
  ChangeJournal(const ChangeJournal&) = delete;
  ChangeJournal& operator=(const ChangeJournal&) = delete;

  struct Look {
    JournalPoint point;
    bool is_new = false;  // something is not as at the last look
  };
  // Looks now. `disk`: names the files; while it is the same, a file whose fingerprint is known has
  // not changed. Errors of ScanUpper; UNAVAILABLE after Close.
  absl::StatusOr<Look> LookNow(const Layers& layers, const std::string& disk)
      ABSL_LOCKS_EXCLUDED(mutex_);

  struct Listing {
    JournalPoint to;
    bool fresh = false;  // since the base, because `from` is not known (any more)
    std::vector<ListedChange> changes;
  };
  // Looks now and says what is different from `from`; nullopt: the base. When there is too much to
  // be kept, `to` has kUnknownSequence.
  absl::StatusOr<Listing> ListNow(const Layers& layers, const std::string& disk,
                                  const std::optional<JournalPoint>& from)
      ABSL_LOCKS_EXCLUDED(mutex_);
  // The same without a look. OUT_OF_RANGE when `to` is not known (any more).
  absl::StatusOr<Listing> Between(const std::optional<JournalPoint>& from, const JournalPoint& to)
      ABSL_LOCKS_EXCLUDED(mutex_);

  // Before the directory of its file is removed: nothing is written any more, looks fail. Does not
  // wait for a look.
  void Close() ABSL_LOCKS_EXCLUDED(file_mutex_);

 private:
  class Book;
  using Unchanged = std::unordered_map<std::string, Content>;

  ChangeJournal(const JournalLimits& limits, JournalMemory* memory, const Clock* clock)
      : limits_(limits), memory_(memory), clock_(clock) {}

  absl::StatusOr<Look> Record(const Layers& layers, const std::string& disk,
                              std::vector<ListedChange>* untracked)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) ABSL_LOCKS_EXCLUDED(file_mutex_);
  Listing ListSince(const std::optional<JournalPoint>& from, const JournalPoint& to) const
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  absl::Status CheckOpen() const ABSL_LOCKS_EXCLUDED(file_mutex_);
  void EnsureLoaded() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) ABSL_LOCKS_EXCLUDED(file_mutex_);
  void TakeDisk(const std::string& disk) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Fits into the limit, or false.
  bool Shrink() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Store(bool is_new, bool anew) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_)
      ABSL_LOCKS_EXCLUDED(file_mutex_);
  void Settle() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Forget() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) ABSL_LOCKS_EXCLUDED(file_mutex_);

  const JournalLimits limits_;
  JournalMemory* const memory_;
  const Clock* const clock_;

  absl::Mutex mutex_;
  mutable absl::Mutex file_mutex_ ABSL_ACQUIRED_AFTER(mutex_);  // for the time of one writing
  bool closed_ ABSL_GUARDED_BY(file_mutex_) = false;
  std::optional<JournalFile> file_ ABSL_GUARDED_BY(file_mutex_);
  bool loaded_ ABSL_GUARDED_BY(mutex_) = false;
  JournalHead head_ ABSL_GUARDED_BY(mutex_);
  JournalHistory history_ ABSL_GUARDED_BY(mutex_);
  Unchanged unchanged_ ABSL_GUARDED_BY(mutex_);
  uint64_t unchanged_bytes_ ABSL_GUARDED_BY(mutex_) = 0;
  uint64_t rewritten_bytes_ ABSL_GUARDED_BY(mutex_) = 0;  // what the last writing had
  uint64_t share_ ABSL_GUARDED_BY(mutex_) = 0;            // of `memory_`
};

}  // namespace glovebox

#endif  // GLOVEBOX_CHANGES_CHANGE_JOURNAL_H_
