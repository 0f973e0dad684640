// What became of the connections that sandboxes asked for, kept for whoever asks later: a ring of
// records for each sandbox, and readers that follow one sandbox or all that somebody sees. A
// sandbox that asks without end pushes out records of its own alone, a reader that does not read
// costs nothing but what it is told then: how many were lost.
//
// Numbers grow over the whole daemon, and a cursor is the number of a record with the name of this
// daemon's run. A record that was lost has a number too. So a reader that comes back with a cursor
// is told of every gap, and one that comes with a cursor of an earlier daemon is told that.
#ifndef GLOVEBOX_SANDBOX_CONNECTION_LOG_H_
#define GLOVEBOX_SANDBOX_CONNECTION_LOG_H_

#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "policy/egress_record.h"
#include "sandbox/owner.h"

namespace glovebox {

struct LoggedConnection {
  uint64_t number = 0;
  std::string cursor;
  std::string sandbox_id;
  std::string exec_id;  // "": not known
  EgressRecord record;
};

struct ConnectionLogLimits {
  size_t records_per_sandbox = 1024;
  // Of all records with their texts. Beyond it the sandboxes that were deleted are forgotten first,
  // then the oldest record of the one that has most: never one that has less than its share.
  size_t bytes = size_t{64} << 20;
  size_t deleted_sandboxes = 256;  // whose records are kept
  size_t readers_per_sandbox = 16;
  size_t readers = 512;
};

// Since the daemon began, of all sandboxes.
struct ConnectionCounts {
  uint64_t opened = 0;
  std::map<EgressDenial, uint64_t> refused;  // those that were cut, too
  uint64_t sent_bytes = 0;                   // of those that have ended
  uint64_t received_bytes = 0;               // likewise
  uint64_t untold = 0;                       // whose records were dropped: EgressRecord.lost
};

// Thread-safe; no call waits for a reader. Outlives its readers.
class ConnectionLog {
 public:
  using Limits = ConnectionLogLimits;
  // `instance`: letters and digits, different for each run of the daemon: NewRandomId().
  explicit ConnectionLog(std::string instance, const Limits& limits = {});
  ~ConnectionLog();
  ConnectionLog(const ConnectionLog&) = delete;
  ConnectionLog& operator=(const ConnectionLog&) = delete;

  // The sandbox has a way out. Nothing when it is open already.
  void Open(absl::string_view sandbox_id, absl::string_view owner) ABSL_LOCKS_EXCLUDED(mutex_);
  // Nothing for a sandbox that is not open. Takes microseconds.
  void Add(absl::string_view sandbox_id, absl::string_view exec_id, const EgressRecord& record)
      ABSL_LOCKS_EXCLUDED(mutex_);
  // The sandbox is deleted: its readers end once they have its last record.
  void Close(absl::string_view sandbox_id) ABSL_LOCKS_EXCLUDED(mutex_);
  // Ends every reader, now and later, with `why`, whatever they have not read. Before sandboxes are
  // closed because the daemon ends.
  void End(const absl::Status& why) ABSL_LOCKS_EXCLUDED(mutex_);

  ConnectionCounts Counts() const ABSL_LOCKS_EXCLUDED(mutex_);

  struct Selection {
    std::string sandbox_id;  // "": all that the viewer sees, also those that come later
    Viewer viewer;
    bool refused_only = false;  // with them connections that were cut
  };
  // One of them is said.
  struct Item {
    std::shared_ptr<const LoggedConnection> connection;
    // At most so many of the selected sandboxes' are not kept any more.
    uint64_t lost = 0;
    // The cursor was an earlier daemon's: what there was since is not known. First, and once.
    bool fresh_instance = false;
  };
  class Reader;
  // After the record of the cursor; from the oldest that is kept with ""; without one, from now.
  // `on_news` is called once after each Next that had nothing, on any thread, perhaps once more
  // while the reader goes; it must not block. INVALID_ARGUMENT, CURSOR_INVALID; RESOURCE_EXHAUSTED,
  // WATCH_LIMIT; NOT_FOUND for a sandbox that is not open, or that the viewer does not see.
  absl::StatusOr<std::unique_ptr<Reader>> Follow(const Selection& selection,
                                                 const std::optional<std::string>& cursor,
                                                 std::function<void()> on_news)
      ABSL_LOCKS_EXCLUDED(mutex_);

 private:
  struct Ring;
  struct Follower;
  struct Kept {
    std::shared_ptr<const LoggedConnection> connection;
    uint64_t ordinal = 0;  // among its sandbox's, the lost ones counted
    size_t bytes = 0;
  };
  struct Forgotten {
    uint64_t count = 0;
    uint64_t last_number = 0;
  };
  using Calls = std::vector<std::function<void()>>;

  absl::StatusOr<uint64_t> ParseCursor(absl::string_view cursor, bool* fresh) const
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  absl::Status CheckRoom(const Selection& selection) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Attach(Ring* ring, Follower* follower, std::optional<uint64_t> after)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void DropFirst(Ring* ring) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  Calls Forget(Ring* ring) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  Calls FitIn() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  absl::StatusOr<std::optional<Item>> NextOf(Follower* follower) ABSL_LOCKS_EXCLUDED(mutex_);
  // nullopt: what came is not of the selection.
  static std::optional<Item> Take(Ring* ring, Follower* follower);
  void Leave(Follower* follower) ABSL_LOCKS_EXCLUDED(mutex_);

  void Count(const EgressRecord& record) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  const std::string instance_;
  const Limits limits_;
  mutable absl::Mutex mutex_;
  ConnectionCounts counts_ ABSL_GUARDED_BY(mutex_);
  absl::Status end_ ABSL_GUARDED_BY(mutex_);
  uint64_t last_number_ ABSL_GUARDED_BY(mutex_) = 0;
  size_t bytes_ ABSL_GUARDED_BY(mutex_) = 0;
  std::map<std::string, std::unique_ptr<Ring>, std::less<>> open_ ABSL_GUARDED_BY(mutex_);
  std::set<std::pair<size_t, Ring*>> by_bytes_ ABSL_GUARDED_BY(mutex_);  // of the open ones
  std::deque<std::unique_ptr<Ring>> closed_ ABSL_GUARDED_BY(mutex_);
  // By owner, for cursors: of closed sandboxes that are forgotten.
  std::map<std::string, Forgotten> forgotten_ ABSL_GUARDED_BY(mutex_);
  uint64_t unknown_before_ ABSL_GUARDED_BY(mutex_) = 0;  // of owners that are forgotten as well
  std::set<std::unique_ptr<Follower>> followers_ ABSL_GUARDED_BY(mutex_);
};

// One thread at a time.
class ConnectionLog::Reader {
 public:
  Reader(ConnectionLog* log, Follower* follower) : log_(log), follower_(follower) {}
  ~Reader() { log_->Leave(follower_); }
  Reader(const Reader&) = delete;
  Reader& operator=(const Reader&) = delete;

  // nullopt: nothing now, on_news will be called. OUT_OF_RANGE: the sandbox is deleted and all of
  // it was told. What End was given.
  absl::StatusOr<std::optional<Item>> Next() { return log_->NextOf(follower_); }

 private:
  ConnectionLog* const log_;
  Follower* const follower_;
};

}  // namespace glovebox

#endif  // GLOVEBOX_SANDBOX_CONNECTION_LOG_H_
