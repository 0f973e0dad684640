#include "service/change_watch.h"

#include <utility>

#include "base/status.h"
#include "service/paging.h"
#include "service/request_error.h"

namespace glovebox {
namespace {

constexpr int32_t kMessageChangesMax = 10'000;  // and kPageBytesMax
constexpr int kFailuresMax = 60;                // one after another, each after another look

}  // namespace

void ChangeWatch::Start(absl::StatusOr<Opened> opened) {
  if (opened.ok()) {
    place_ = std::move(opened->place);
    selection_ = std::move(opened->selection);
    from_ = opened->from;
    // The watch of a tree may outlive this call.
    follower_ = place_->watch().Follow([weak = weak_from_this()] {
      if (auto self = weak.lock()) self->Run();
    });
  } else {
    failure_ = opened.status();
  }
  started_.store(true, std::memory_order_release);
  Run();
}

void ChangeWatch::OnWritten(bool ok) {
  if (!ok) cancelled_.store(true, std::memory_order_release);
  writing_.store(false, std::memory_order_release);
  Run();
}

void ChangeWatch::OnCancel() {
  cancelled_.store(true, std::memory_order_release);
  Run();
}

void ChangeWatch::Run() {
  const auto self =
      shared_from_this();  // the call that owns this object may go during its last step
  if (!turn_.Begin()) return;
  do {
    Step();
  } while (!turn_.End());
}

void ChangeWatch::Step() {
  // A write in flight is answered by OnWritten, also when the client has gone.
  if (finished_ || !started_.load(std::memory_order_acquire) ||
      writing_.load(std::memory_order_acquire) || producing_.load(std::memory_order_acquire)) {
    return;
  }
  if (!failure_.ok()) return End(failure_);
  if (cancelled_.load(std::memory_order_acquire)) return End(CallCancelled());
  TreeWatch& watch = place_->watch();
  const bool goes_on = !retries_ && (batch_.has_value() || !told_any_);
  // The watch calls Run when there is news.
  if (!goes_on && !watch.Await(follower_, known_)) return;
  if (const absl::Status end = watch.news().end; !end.ok()) return End(end);
  producing_.store(true, std::memory_order_release);
  queue_->Run([self = shared_from_this()] { self->Produce(); });
}

void ChangeWatch::Produce() {
  absl::StatusOr<std::optional<v1::WatchChangesResponse>> message = NextMessage();
  const bool again = absl::IsFailedPrecondition(message.status()) ||
                     absl::IsNotFound(message.status()) || absl::IsUnavailable(message.status());
  // Moved about faster than they can be read: that may last, as it may for the tree's watch.
  const bool moving = absl::IsAborted(message.status());
  retries_ = moving || (!message.ok() && again && ++failures_ < kFailuresMax);
  if (message.ok()) failures_ = 0;
  if (retries_) {
    // The files are being put back to a checkpoint, or go for good: the watch finds out.
    known_ = place_->watch().news().number;
    place_->watch().LookAgain();
  } else if (!message.ok()) {
    failure_ = message.status();
  } else if (message->has_value()) {
    writing_.store(true, std::memory_order_release);
    producing_.store(false, std::memory_order_release);
    return sink_->Write(**std::move(message));  // the call may be gone from here on
  }
  producing_.store(false, std::memory_order_release);
  Run();
}

// Of this journal, and a point that the client is beyond: a look that was made before its cursor.
bool ChangeWatch::IsOlder(const JournalPoint& point) const {
  return from_.has_value() && from_->generation == point.generation &&
         from_->sequence != kUnknownSequence && point.sequence < from_->sequence;
}

absl::StatusOr<ChangeJournal::Listing> ChangeWatch::List(const ChangeSource& source) {
  // What came before the cursor may have been looked at by others; the first look is its own.
  const bool own_look = !told_any_ && !batch_->begun;
  if (!own_look && batch_->to.sequence != kUnknownSequence) {
    absl::StatusOr<ChangeJournal::Listing> known = source.journal->Between(from_, batch_->to);
    if (!absl::IsOutOfRange(known.status())) return known;
  }
  return source.journal->ListNow(source.layers, source.files.disk, from_);
}

absl::StatusOr<std::optional<v1::WatchChangesResponse>> ChangeWatch::NextMessage() {
  if (!batch_.has_value()) {
    const TreeWatch::News news = place_->watch().news();
    batch_ = Batch{news.number, news.point, "", /*fresh=*/false, /*begun=*/false};
  }
  Batch& batch = *batch_;
  if (told_any_ && IsOlder(batch.to)) {
    known_ = batch.news;
    batch_.reset();
    return std::nullopt;
  }
  ASSIGN_OR_RETURN(const ChangeSource source,
                   ChangeSource::Open(place_->watch().news().sandbox, selection_->scope));
  ASSIGN_OR_RETURN(ChangeJournal::Listing listing, List(source));
  bool fresh = !from_.has_value() || listing.fresh;
  const bool moved = !(listing.to == batch.to) && listing.to.sequence != kUnknownSequence;
  if (batch.begun && (moved || fresh != batch.fresh)) {
    // The rest of what was begun is not known any more, and what was told of it may hold no longer.
    from_.reset();
    batch.after.clear();
    batch.begun = false;
    fresh = true;
    ASSIGN_OR_RETURN(listing, source.journal->ListNow(source.layers, source.files.disk, from_));
  }
  batch.to = listing.to;
  batch.fresh = fresh;
  RETURN_IF_ERROR(selection_->Apply(source, &listing.changes));
  v1::WatchChangesResponse message;
  ASSIGN_OR_RETURN(const std::string last, Fill(source, listing, &message));
  const bool tells = batch.begun || !told_any_ || batch.fresh || message.changes_size() > 0;
  message.set_fresh_instance(batch.fresh && !batch.begun);
  batch.begun = true;
  batch.after = last;
  if (last.empty()) {
    from_ = batch.to;
    known_ = batch.news;
    told_any_ = true;
    message.set_cursor(EncodeCursor(source.subject, batch.to));
    batch_.reset();
  }
  if (!tells) return std::nullopt;
  return std::optional(std::move(message));
}

absl::StatusOr<std::string> ChangeWatch::Fill(const ChangeSource& source,
                                              const ChangeJournal::Listing& listing,
                                              v1::WatchChangesResponse* message) const {
  absl::Status filled;
  std::string last = TakePage<ListedChange>(
      listing.changes, batch_->after, kMessageChangesMax,
      [](const ListedChange& listed) { return KeyInListing(listed.change); },
      [&](const ListedChange& listed) {
        v1::Change* const change = message->add_changes();
        *change = ToProto(listed.change);
        const absl::Status one = FillChange(source, listed, /*digests=*/false, change);
        if (filled.ok()) filled = one;
        return change->ByteSizeLong();
      });
  RETURN_IF_ERROR(filled);
  return last;
}

void ChangeWatch::End(const absl::Status& status) {
  finished_ = true;
  if (place_ != nullptr) {
    place_->watch().Unfollow(follower_);
    place_.reset();
  }
  sink_->Finish(status);
}

}  // namespace glovebox
