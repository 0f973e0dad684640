#include "sandbox/connection_log.h"

#include <algorithm>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "base/status.h"

namespace glovebox {
namespace {

constexpr absl::string_view kCursorVersion = "n1";
constexpr size_t kCursorBytesMax = 128;
constexpr size_t kForgottenOwnersMax = 1024;
// How many records that are not of the selection are passed over under one lock.
constexpr int kPassedOverMax = 256;

size_t BytesOf(const LoggedConnection& entry) {
  const EgressRecord& record = entry.record;
  return sizeof entry + entry.cursor.capacity() + entry.sandbox_id.capacity() +
         entry.exec_id.capacity() + record.host.capacity() + record.rule.capacity() +
         record.method.capacity() + record.path.capacity();
}

bool IsRefusal(const EgressRecord& record) {
  return record.outcome == EgressOutcome::kRefused || record.denial != EgressDenial::kNone;
}

absl::Status InvalidCursor() {
  return DetailedError(absl::StatusCode::kInvalidArgument,
                       "the cursor is none that was handed out; watch without one",
                       {"CURSOR_INVALID", {{"field", "cursor"}}});
}

// How far a follower is with a ring.
struct Place {
  uint64_t told = 0;   // ordinal up to which it was told
  uint64_t since = 0;  // number at which the ring stands in the follower's news; 0: it does not
};

}  // namespace

struct ConnectionLog::Ring {
  std::string id, owner;
  std::deque<Kept> kept;
  uint64_t total = 0;  // the lost ones counted
  uint64_t last_number = 0;
  size_t bytes = 0;
  bool closed = false;
  std::map<Follower*, Place> places;
};

struct ConnectionLog::Follower {
  explicit Follower(Selection which) : selection(std::move(which)) {}

  const Selection selection;
  std::function<void()> on_news;
  Ring* only = nullptr;  // of a selection of one sandbox, until that is forgotten
  std::set<std::pair<uint64_t, Ring*>> news;
  uint64_t lost = 0;  // with sandboxes that are forgotten
  bool fresh_instance = false;
  bool waits = false;

  bool Selects(const Ring& ring) const {
    return selection.sandbox_id.empty() && selection.viewer.Sees(ring.owner);
  }
  void Wake(Calls* calls) {
    if (!waits) return;
    waits = false;
    calls->push_back(on_news);
  }
};

ConnectionLog::ConnectionLog(std::string instance, const Limits& limits)
    : instance_(std::move(instance)), limits_(limits) {}

ConnectionLog::~ConnectionLog() = default;

void ConnectionLog::Open(absl::string_view sandbox_id, absl::string_view owner) {
  absl::MutexLock lock(&mutex_);
  std::unique_ptr<Ring>& ring = open_[std::string(sandbox_id)];
  if (ring != nullptr) return;
  ring = std::make_unique<Ring>();
  ring->id = std::string(sandbox_id);
  ring->owner = std::string(owner);
  by_bytes_.emplace(0, ring.get());
  for (const std::unique_ptr<Follower>& follower : followers_) {
    if (follower->Selects(*ring)) ring->places[follower.get()] = {};
  }
}

void ConnectionLog::Add(absl::string_view sandbox_id, absl::string_view exec_id,
                        const EgressRecord& record) {
  auto entry = std::make_shared<LoggedConnection>(
      LoggedConnection{0, "", std::string(sandbox_id), std::string(exec_id), record});
  Calls calls;
  {
    absl::MutexLock lock(&mutex_);
    const auto found = open_.find(sandbox_id);
    if (found == open_.end()) return;
    Count(record);
    Ring* const ring = found->second.get();
    const uint64_t first = last_number_ + 1;  // of what was lost before it, or its own
    last_number_ += record.lost + 1;
    entry->number = last_number_;
    entry->cursor = absl::StrCat(kCursorVersion, ".", instance_, ".", last_number_);
    for (auto& [follower, place] : ring->places) {
      if (place.since != 0) continue;
      place.since = first;
      follower->news.emplace(first, ring);
      follower->Wake(&calls);
    }
    const size_t bytes = BytesOf(*entry);
    ring->total += record.lost + 1;
    ring->last_number = last_number_;
    ring->kept.push_back({std::move(entry), ring->total, bytes});
    by_bytes_.erase({ring->bytes, ring});
    ring->bytes += bytes;
    by_bytes_.emplace(ring->bytes, ring);
    bytes_ += bytes;
    if (ring->kept.size() > limits_.records_per_sandbox) DropFirst(ring);
    for (std::function<void()>& call : FitIn()) calls.push_back(std::move(call));
  }
  for (const std::function<void()>& call : calls) call();
}

void ConnectionLog::Count(const EgressRecord& record) {
  counts_.untold += record.lost;
  if (record.outcome == EgressOutcome::kOpened) ++counts_.opened;
  if (record.denial != EgressDenial::kNone) ++counts_.refused[record.denial];
  if (record.outcome != EgressOutcome::kClosed) return;
  counts_.sent_bytes += record.sent_bytes;
  counts_.received_bytes += record.received_bytes;
}

ConnectionCounts ConnectionLog::Counts() const {
  absl::MutexLock lock(&mutex_);
  return counts_;
}

void ConnectionLog::Close(absl::string_view sandbox_id) {
  Calls calls;
  {
    absl::MutexLock lock(&mutex_);
    const auto found = open_.find(sandbox_id);
    if (found == open_.end()) return;
    std::unique_ptr<Ring> ring = std::move(found->second);
    open_.erase(found);
    by_bytes_.erase({ring->bytes, ring.get()});
    ring->closed = true;
    for (auto& [follower, place] : ring->places) {
      if (follower->only == ring.get()) follower->Wake(&calls);
    }
    closed_.push_back(std::move(ring));
    if (closed_.size() > limits_.deleted_sandboxes) {
      for (std::function<void()>& call : Forget(closed_.front().get())) {
        calls.push_back(std::move(call));
      }
    }
  }
  for (const std::function<void()>& call : calls) call();
}

void ConnectionLog::End(const absl::Status& why) {
  Calls calls;
  {
    absl::MutexLock lock(&mutex_);
    end_ = why;
    for (const std::unique_ptr<Follower>& follower : followers_) follower->Wake(&calls);
  }
  for (const std::function<void()>& call : calls) call();
}

void ConnectionLog::DropFirst(Ring* ring) {
  const size_t bytes = ring->kept.front().bytes;
  if (!ring->closed) by_bytes_.erase({ring->bytes, ring});
  ring->bytes -= bytes;
  bytes_ -= bytes;
  ring->kept.pop_front();
  if (!ring->closed) by_bytes_.emplace(ring->bytes, ring);
}

// The first of closed_.
ConnectionLog::Calls ConnectionLog::Forget(Ring* ring) {
  Calls calls;
  while (!ring->kept.empty()) DropFirst(ring);
  for (auto& [follower, place] : ring->places) {
    if (place.since != 0) follower->news.erase({place.since, ring});
    follower->lost += ring->total - place.told;
    if (follower->only == ring) follower->only = nullptr;
    follower->Wake(&calls);
  }
  if (ring->total > 0) {
    Forgotten& forgotten = forgotten_[ring->owner];
    forgotten.count += ring->total;
    forgotten.last_number = std::max(forgotten.last_number, ring->last_number);
  }
  if (forgotten_.size() > kForgottenOwnersMax) {
    const auto oldest = std::min_element(
        forgotten_.begin(), forgotten_.end(),
        [](const auto& a, const auto& b) { return a.second.last_number < b.second.last_number; });
    unknown_before_ = std::max(unknown_before_, oldest->second.last_number);
    forgotten_.erase(oldest);
  }
  closed_.pop_front();
  return calls;
}

ConnectionLog::Calls ConnectionLog::FitIn() {
  Calls calls;
  while (bytes_ > limits_.bytes && !closed_.empty()) {
    for (std::function<void()>& call : Forget(closed_.front().get())) {
      calls.push_back(std::move(call));
    }
  }
  // The last of them has something, or there would be no bytes.
  while (bytes_ > limits_.bytes) DropFirst(by_bytes_.rbegin()->second);
  return calls;
}

absl::StatusOr<uint64_t> ConnectionLog::ParseCursor(absl::string_view cursor, bool* fresh) const {
  if (cursor.empty()) return 0;
  if (cursor.size() > kCursorBytesMax) return InvalidCursor();
  const std::vector<absl::string_view> parts = absl::StrSplit(cursor, '.');
  uint64_t number = 0;
  if (parts.size() != 3 || parts[0] != kCursorVersion || parts[1].empty() ||
      !absl::SimpleAtoi(parts[2], &number)) {
    return InvalidCursor();
  }
  *fresh = parts[1] != instance_;
  if (*fresh) return 0;
  if (number > last_number_) return InvalidCursor();
  *fresh = number < unknown_before_;
  return number;
}

absl::Status ConnectionLog::CheckRoom(const Selection& selection) const {
  size_t same = 0;
  for (const std::unique_ptr<Follower>& follower : followers_) {
    if (follower->selection.sandbox_id == selection.sandbox_id) ++same;
  }
  const bool sandbox_full = !selection.sandbox_id.empty() && same >= limits_.readers_per_sandbox;
  if (!sandbox_full && followers_.size() < limits_.readers) return absl::OkStatus();
  const size_t limit = sandbox_full ? limits_.readers_per_sandbox : limits_.readers;
  return DetailedError(
      absl::StatusCode::kResourceExhausted,
      absl::StrCat(limit, " watches of connections of ",
                   sandbox_full ? "this sandbox" : "all sandboxes", " are open already; end one"),
      {"WATCH_LIMIT", {{"limit", absl::StrCat(limit)}}});
}

// `after`: a number; nullopt: from now.
void ConnectionLog::Attach(Ring* ring, Follower* follower, std::optional<uint64_t> after) {
  Place& place = ring->places[follower];
  place.told = ring->total;
  if (!after.has_value() || *after >= ring->last_number) return;
  const auto next =
      std::partition_point(ring->kept.begin(), ring->kept.end(),
                           [&](const Kept& kept) { return kept.connection->number <= *after; });
  // Before the first that follows, as many are missing as there are numbers in between, at most.
  const bool any = next != ring->kept.end();
  const uint64_t before = any ? next->ordinal - 1 : ring->total;
  const uint64_t known = next == ring->kept.begin() ? 0 : std::prev(next)->ordinal;
  const uint64_t numbers = any ? next->connection->number - 1 - *after : ring->last_number - *after;
  place.told = before - std::min(before - known, numbers);
  // What is missing is told first; it has no cursor of its own.
  place.since = place.told < before ? *after + 1 : next->connection->number;
  follower->news.emplace(place.since, ring);
}

absl::StatusOr<std::unique_ptr<ConnectionLog::Reader>> ConnectionLog::Follow(
    const Selection& selection, const std::optional<std::string>& cursor,
    std::function<void()> on_news) {
  absl::MutexLock lock(&mutex_);
  RETURN_IF_ERROR(end_);
  auto follower = std::make_unique<Follower>(selection);
  follower->on_news = std::move(on_news);
  std::optional<uint64_t> after;
  if (cursor.has_value()) {
    ASSIGN_OR_RETURN(after, ParseCursor(*cursor, &follower->fresh_instance));
  }
  RETURN_IF_ERROR(CheckRoom(selection));
  if (!selection.sandbox_id.empty()) {
    const auto found = open_.find(selection.sandbox_id);
    if (found == open_.end() || !selection.viewer.Sees(found->second->owner)) {
      return absl::NotFoundError("no connections of this sandbox are recorded");
    }
    follower->only = found->second.get();
    Attach(follower->only, follower.get(), after);
  } else {
    for (const auto& [id, ring] : open_) {
      if (follower->Selects(*ring)) Attach(ring.get(), follower.get(), after);
    }
    for (const std::unique_ptr<Ring>& ring : closed_) {
      if (after.has_value() && follower->Selects(*ring)) Attach(ring.get(), follower.get(), after);
    }
    for (const auto& [owner, forgotten] : forgotten_) {
      if (!after.has_value() || *after >= forgotten.last_number) continue;
      if (!selection.viewer.Sees(owner)) continue;
      follower->lost += std::min(forgotten.count, forgotten.last_number - *after);
    }
  }
  auto reader = std::make_unique<Reader>(this, follower.get());
  followers_.insert(std::move(follower));
  return reader;
}

std::optional<ConnectionLog::Item> ConnectionLog::Take(Ring* ring, Follower* follower) {
  Place& place = ring->places[follower];
  follower->news.erase({place.since, ring});
  place.since = 0;
  const auto next =
      std::partition_point(ring->kept.begin(), ring->kept.end(),
                           [&](const Kept& kept) { return kept.ordinal <= place.told; });
  const bool any = next != ring->kept.end();
  const uint64_t lost = (any ? next->ordinal - 1 : ring->total) - place.told;
  Item item;
  if (lost > 0) {
    item.lost = lost;
    place.told += lost;
  } else {
    item.connection = next->connection;
    place.told = next->ordinal;
  }
  if (place.told < ring->total) {
    // The same record after what was lost before it; or the one behind it.
    const auto then = lost > 0 ? next : std::next(next);
    place.since = then->connection->number - (lost > 0 ? 0 : then->connection->record.lost);
    follower->news.emplace(place.since, ring);
  }
  const bool selected = item.connection == nullptr || !follower->selection.refused_only ||
                        IsRefusal(item.connection->record);
  return selected ? std::optional<Item>(std::move(item)) : std::nullopt;
}

absl::StatusOr<std::optional<ConnectionLog::Item>> ConnectionLog::NextOf(Follower* follower) {
  while (true) {
    absl::MutexLock lock(&mutex_);
    RETURN_IF_ERROR(end_);
    if (follower->fresh_instance) {
      Item item;
      item.fresh_instance = true;
      follower->fresh_instance = false;
      return std::optional<Item>(std::move(item));
    }
    if (follower->lost > 0) {
      Item item;
      item.lost = std::exchange(follower->lost, 0);
      return std::optional<Item>(std::move(item));
    }
    for (int passed = 0; passed < kPassedOverMax; ++passed) {
      if (follower->news.empty()) {
        const bool one = !follower->selection.sandbox_id.empty();
        if (one && (follower->only == nullptr || follower->only->closed)) {
          return absl::OutOfRangeError("the sandbox is deleted");
        }
        follower->waits = true;
        return std::optional<Item>();
      }
      std::optional<Item> item = Take(follower->news.begin()->second, follower);
      if (item.has_value()) return item;
    }
  }
}

void ConnectionLog::Leave(Follower* follower) {
  absl::MutexLock lock(&mutex_);
  for (const auto& [id, ring] : open_) ring->places.erase(follower);
  for (const std::unique_ptr<Ring>& ring : closed_) ring->places.erase(follower);
  const auto found =
      std::find_if(followers_.begin(), followers_.end(),
                   [&](const std::unique_ptr<Follower>& one) { return one.get() == follower; });
  followers_.erase(found);
}

}  // namespace glovebox
