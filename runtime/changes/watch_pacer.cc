#include "changes/watch_pacer.h"

#include <algorithm>

namespace glovebox {
namespace {

constexpr int64_t kMs = 1'000'000;
// Of one processor for looks that nothing hinted at: one part in so many.
constexpr int64_t kPollShare = 20;

int64_t ShortestWait(HintQuality quality) {
  return quality == HintQuality::kAll ? 500 * kMs : 25 * kMs;
}

}  // namespace

void WatchPacer::OnHint(int64_t now) {
  if (!first_hint_.has_value()) first_hint_ = now;
  settled_ = std::min(now + pace_.quiet_ns, *first_hint_ + pace_.settle_max_ns);
}

void WatchPacer::OnDemand(int64_t now) {
  first_hint_ = first_hint_.value_or(now);
  settled_ = now;
}

void WatchPacer::OnLookBegins() { first_hint_.reset(); }

void WatchPacer::OnLookEnds(int64_t now, int64_t cost) {
  RestUntil(now + pace_.rest_factor * cost);
}

void WatchPacer::RestUntil(int64_t until) { rest_until_ = std::max(rest_until_, until); }

std::optional<int64_t> WatchPacer::due() const {
  if (!first_hint_.has_value()) return std::nullopt;
  return std::max(settled_, rest_until_);
}

std::optional<int64_t> WatchPacer::wake(int64_t now) const {
  const std::optional<int64_t> look = due();
  if (!look.has_value()) return std::nullopt;
  // A hint in the rest puts the look off by its quiet at most, so it is enough to ask towards the
  // end of it.
  const int64_t from = std::max(now, rest_until_ - pace_.quiet_ns);
  return std::min(*look, from + pace_.slice_ns);
}

WatchPoll::WatchPoll(HintQuality quality)
    : shortest_ns_(ShortestWait(quality)),
      longest_ns_(quality == HintQuality::kAll ? 4000 * kMs : 1000 * kMs),
      always_(quality == HintQuality::kNone),
      wait_ns_(shortest_ns_) {}

void WatchPoll::OnTick(bool worked, bool has_processes) {
  if (worked) {
    wait_ns_ = shortest_ns_;
  } else if (has_processes || always_) {
    wait_ns_ = std::min(2 * wait_ns_.value_or(shortest_ns_), longest_ns_);
  } else {
    wait_ns_.reset();
  }
}

std::optional<int64_t> WatchPoll::wait(int64_t look_ns) const {
  if (!wait_ns_.has_value()) return std::nullopt;
  return std::max(*wait_ns_, kPollShare * look_ns);
}

}  // namespace glovebox
