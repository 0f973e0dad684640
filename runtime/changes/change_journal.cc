#include "changes/change_journal.h"

#include <fcntl.h>
#include <sys/random.h>

#include <utility>

#include "base/status.h"
#include "linux/file_io.h"

namespace glovebox {
namespace {

// A file that is as in the base: its path and what is known of it.
constexpr uint64_t kUnchangedBytes = sizeof(std::string) + sizeof(Content) + 16;

uint64_t NewGeneration() {
  uint64_t generation = 0;
  // Does not fail: so few bytes are never cut short, and the generator is seeded since the boot.
  while (::getrandom(&generation, sizeof generation, 0) != sizeof generation) {
  }
  return generation;
}

std::string BootId() {
  const auto text = ReadFileAt(AT_FDCWD, "/proc/sys/kernel/random/boot_id", 64);
  return text.ok() ? *text : "";
}

}  // namespace

bool JournalMemory::Exchange(uint64_t old_bytes, uint64_t new_bytes) {
  const uint64_t before = used_.fetch_add(new_bytes - old_bytes, std::memory_order_relaxed);
  if (before - old_bytes + new_bytes <= bytes_max_) return true;
  used_.fetch_sub(new_bytes, std::memory_order_relaxed);
  return false;
}

// Files that were looked at in this scan, and what was known before.
class ChangeJournal::Book final : public ContentBook {
 public:
  Book(const JournalHistory& history, const Unchanged& unchanged)
      : history_(history), unchanged_(unchanged) {}

  const Content* Find(const std::string& path, const Fingerprint& fingerprint) override {
    if (const Content* known = history_.Find(path, fingerprint); known != nullptr) return known;
    const auto it = unchanged_.find(path);
    if (it == unchanged_.end() || !it->second.settled) return nullptr;
    return it->second.fingerprint == fingerprint ? &it->second : nullptr;
  }
  void Put(const std::string& path, const Content& content) override { seen_[path] = content; }
  const Content* Latest(const std::string& path) const override {
    const auto it = seen_.find(path);
    return it == seen_.end() ? nullptr : &it->second;
  }

  // Those that are as in the base, up to `bytes_max`.
  Unchanged TakeUnchanged(uint64_t bytes_max, uint64_t* bytes) {
    Unchanged kept;
    *bytes = 0;
    for (auto& [path, content] : seen_) {
      if (content.same_as_base != std::optional(true)) continue;
      const uint64_t needed = kUnchangedBytes + path.size();
      if (*bytes + needed > bytes_max) break;
      *bytes += needed;
      kept.emplace(path, content);
    }
    return kept;
  }

 private:
  const JournalHistory& history_;
  const Unchanged& unchanged_;
  Unchanged seen_;
};

absl::StatusOr<std::unique_ptr<ChangeJournal>> ChangeJournal::Open(int directory_fd,
                                                                   std::string name,
                                                                   const JournalLimits& limits,
                                                                   JournalMemory* memory,
                                                                   const Clock* clock) {
  std::unique_ptr<ChangeJournal> journal(new ChangeJournal(limits, memory, clock));
  absl::MutexLock lock(&journal->file_mutex_);
  if (directory_fd >= 0) {
    ASSIGN_OR_RETURN(journal->file_, JournalFile::In(directory_fd, std::move(name)));
  }
  return journal;
}

ChangeJournal::~ChangeJournal() {
  absl::MutexLock lock(&mutex_);
  (void)memory_->Exchange(share_, 0);  // to give back always fits
}

void ChangeJournal::EnsureLoaded() {
  if (std::exchange(loaded_, true)) return;
  head_ = {NewGeneration(), 0, "", BootId()};
  history_ = {};
  absl::MutexLock lock(&file_mutex_);
  if (!file_.has_value()) return;
  auto stored = file_->Load(limits_.file_bytes_max);
  // What cannot be read is lost: points of it get the whole.
  if (!stored.ok() || !stored->has_value()) return;
  if ((*stored)->head.boot_id != head_.boot_id) return file_->Remove();
  head_ = std::move((*stored)->head);
  history_ = std::move((*stored)->history);
  rewritten_bytes_ = file_->bytes();
}

void ChangeJournal::TakeDisk(const std::string& disk) {
  if (head_.disk == disk) return;
  history_.DistrustFingerprints();
  unchanged_.clear();
  unchanged_bytes_ = 0;
  head_.disk = disk;
}

bool ChangeJournal::Shrink() {
  if (history_.bytes() <= limits_.history_bytes_max) return true;
  history_.Fold(history_.HalfwayHorizon());
  if (history_.bytes() > limits_.history_bytes_max) history_.Fold(history_.latest());
  head_.horizon = history_.horizon();
  return history_.bytes() <= limits_.history_bytes_max;
}

// Everything that was known, for good.
void ChangeJournal::Forget() {
  {
    absl::MutexLock lock(&file_mutex_);
    if (file_.has_value()) file_->Remove();
  }
  head_.generation = NewGeneration();
  head_.horizon = 0;
  history_ = {};
  unchanged_.clear();
  unchanged_bytes_ = 0;
}

void ChangeJournal::Store(bool is_new, bool anew) {
  absl::MutexLock lock(&file_mutex_);
  if (!file_.has_value()) return;
  absl::Status stored;
  const uint64_t file_bytes_max = 2 * rewritten_bytes_ + limits_.file_slack_bytes;
  if (anew || !file_->is_open() || file_->bytes() > file_bytes_max) {
    stored = file_->Rewrite(head_, history_);
    if (stored.ok()) rewritten_bytes_ = file_->bytes();
  } else if (is_new) {
    stored = file_->AppendLatest(history_);
  }
  // The numbers of points that are not stored would be given again by the next daemon.
  if (!stored.ok()) head_.generation = NewGeneration();
}

// At the end of each call: keeps what is in memory only within the daemon's share.
void ChangeJournal::Settle() {
  const uint64_t bytes = history_.bytes() + unchanged_bytes_;
  const bool fits = memory_->Exchange(share_, bytes);
  share_ = fits ? bytes : 0;
  if (fits) return;
  history_ = {};
  unchanged_.clear();
  unchanged_bytes_ = 0;
  // Without a file it is lost: the next one is of another generation.
  loaded_ = false;
}

absl::Status ChangeJournal::CheckOpen() const {
  absl::MutexLock lock(&file_mutex_);
  if (!closed_) return absl::OkStatus();
  return absl::UnavailableError("the sandbox is being deleted");
}

absl::StatusOr<ChangeJournal::Look> ChangeJournal::Record(const Layers& layers,
                                                          const std::string& disk,
                                                          std::vector<ListedChange>* untracked) {
  RETURN_IF_ERROR(CheckOpen());
  EnsureLoaded();
  const bool other_disk = head_.disk != disk;
  TakeDisk(disk);
  Book book(history_, unchanged_);
  ScanOptions options;
  options.contents = &book;
  options.limits = limits_.scan;
  ASSIGN_OR_RETURN(const ScanResult scan, ScanUpper(layers, options, *clock_));
  const uint64_t before = history_.latest();
  const uint64_t horizon = history_.horizon();
  Look look;
  look.point.sequence = history_.Record(PathsOf(scan.changes, &book));
  look.is_new = look.point.sequence != before;
  unchanged_ = book.TakeUnchanged(limits_.unchanged_bytes_max, &unchanged_bytes_);
  if (Shrink()) {
    Store(look.is_new, other_disk || history_.horizon() != horizon);
  } else {
    *untracked = history_.Between(0, history_.latest());
    Forget();
    look.point.sequence = kUnknownSequence;
  }
  look.point.generation = head_.generation;
  return look;
}

ChangeJournal::Listing ChangeJournal::ListSince(const std::optional<JournalPoint>& from,
                                                const JournalPoint& to) const {
  Listing listing;
  listing.to = to;
  uint64_t since = 0;
  if (from.has_value()) {
    listing.fresh = from->generation != head_.generation || !history_.Knows(from->sequence) ||
                    from->sequence > to.sequence;
    if (!listing.fresh) since = from->sequence;
  }
  listing.changes = history_.Between(since, to.sequence);
  return listing;
}

absl::StatusOr<ChangeJournal::Look> ChangeJournal::LookNow(const Layers& layers,
                                                           const std::string& disk) {
  absl::MutexLock lock(&mutex_);
  std::vector<ListedChange> untracked;
  absl::StatusOr<Look> look = Record(layers, disk, &untracked);
  Settle();
  return look;
}

absl::StatusOr<ChangeJournal::Listing> ChangeJournal::ListNow(
    const Layers& layers, const std::string& disk, const std::optional<JournalPoint>& from) {
  absl::MutexLock lock(&mutex_);
  Listing listing;
  const absl::StatusOr<Look> look = Record(layers, disk, &listing.changes);
  if (look.ok() && look->point.sequence != kUnknownSequence) {
    listing = ListSince(from, look->point);
  } else if (look.ok()) {
    listing.to = look->point;
    listing.fresh = from.has_value();
  }
  Settle();
  if (!look.ok()) return look.status();
  return listing;
}

absl::StatusOr<ChangeJournal::Listing> ChangeJournal::Between(
    const std::optional<JournalPoint>& from, const JournalPoint& to) {
  absl::MutexLock lock(&mutex_);
  EnsureLoaded();
  const bool known = to.generation == head_.generation && history_.Knows(to.sequence);
  Listing listing;
  if (known) listing = ListSince(from, to);
  Settle();
  if (known) return listing;
  return absl::OutOfRangeError("what there was at this point is not known any more; list anew");
}

void ChangeJournal::Close() {
  absl::MutexLock lock(&file_mutex_);
  closed_ = true;
  file_.reset();
}

}  // namespace glovebox
