// The messages of one WatchChanges call, without gRPC: what differs from the client's cursor first,
// then each batch that the tree's watch finds. One message is written at a time and the next is
// made when it was taken, from the journal: a client that does not read costs one message.
#ifndef GLOVEBOX_SERVICE_CHANGE_WATCH_H_
#define GLOVEBOX_SERVICE_CHANGE_WATCH_H_

#include <atomic>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/turn.h"
#include "changes/journal_cursor.h"
#include "glovebox/v1/change.pb.h"
#include "sandbox/tree_watch.h"
#include "service/change_listing.h"

namespace glovebox {

// Where messages go. Called by one thread at a time, and not again after Finish.
class ChangeSink {
 public:
  virtual ~ChangeSink() = default;
  virtual void Write(v1::WatchChangesResponse message) = 0;  // then OnWritten, later, any thread
  virtual void Finish(const absl::Status& status) = 0;
};

// Thread-safe. Shared by the call and by the callbacks that it leaves with the watch, which may
// come after the call is gone; the sink is not touched then.
class ChangeWatch : public std::enable_shared_from_this<ChangeWatch> {
 public:
  struct Opened {
    std::unique_ptr<TreeWatches::Place> place;
    ChangeSelection selection;
    std::optional<JournalPoint> from;  // nullopt: the base
  };

  // `queue`: where messages are made, which reads files.
  ChangeWatch(ChangeSink* sink, WorkQueue* queue) : sink_(sink), queue_(queue) {}

  // Once. An error ends the call.
  void Start(absl::StatusOr<Opened> opened);
  // The write has been done; !ok: the connection is gone.
  void OnWritten(bool ok);
  // The client has gone.
  void OnCancel();
  bool cancelled() const { return cancelled_.load(std::memory_order_acquire); }

 private:
  // A difference that is told in one message or more.
  struct Batch {
    uint64_t news = 0;
    JournalPoint to;
    std::string after;   // key of the last change that was told
    bool fresh = false;  // since the base
    bool begun = false;  // some of it was told
  };

  void Run();
  void Step();
  void Produce();
  // nullopt: there is nothing to be told of this batch.
  absl::StatusOr<std::optional<v1::WatchChangesResponse>> NextMessage();
  absl::StatusOr<ChangeJournal::Listing> List(const ChangeSource& source);
  absl::StatusOr<std::string> Fill(const ChangeSource& source,
                                   const ChangeJournal::Listing& listing,
                                   v1::WatchChangesResponse* message) const;
  bool IsOlder(const JournalPoint& point) const;
  void End(const absl::Status& status);

  ChangeSink* const sink_;
  WorkQueue* const queue_;
  Turn turn_;
  std::atomic<bool> started_ = false;
  std::atomic<bool> producing_ = false;
  std::atomic<bool> writing_ = false;
  std::atomic<bool> cancelled_ = false;

  // Of the thread that has the turn, or that produces; of Start before started_.
  absl::Status failure_;
  std::unique_ptr<TreeWatches::Place> place_;
  std::optional<ChangeSelection> selection_;
  uint64_t follower_ = 0;
  std::optional<JournalPoint> from_;
  std::optional<Batch> batch_;
  uint64_t known_ = 0;     // number of the news that was told
  bool told_any_ = false;  // the first batch is told even when it is empty
  bool retries_ = false;   // when there is news
  int failures_ = 0;
  bool finished_ = false;
};

}  // namespace glovebox

#endif  // GLOVEBOX_SERVICE_CHANGE_WATCH_H_
