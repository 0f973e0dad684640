// When to look at a tree that is watched: some quiet time after the last hint, not for ever after
// the first, and never so soon that looking takes more than a share of one processor. And when to
// look without a hint, for what gives none. Pure values: times come from the caller, in nanoseconds
// of one monotonic clock.
#ifndef GLOVEBOX_CHANGES_WATCH_PACER_H_
#define GLOVEBOX_CHANGES_WATCH_PACER_H_

#include <cstdint>
#include <optional>

namespace glovebox {

struct WatchPace {
  int64_t quiet_ns = 10'000'000;        // without a hint: settled
  int64_t slice_ns = 2'000'000;         // how exactly the time of the last hint is known
  int64_t settle_max_ns = 100'000'000;  // since the first hint
  int64_t rest_factor = 4;              // of the processor time of a look, before the next one
};

// Not thread-safe.
class WatchPacer {
 public:
  explicit WatchPacer(const WatchPace& pace) : pace_(pace) {}

  // Something may have changed just now.
  void OnHint(int64_t now);
  // Look as soon as the rest is over, without waiting for quiet.
  void OnDemand(int64_t now);
  // What was hinted before is looked at from now on.
  void OnLookBegins();
  // `cost`: the processor time that it took.
  void OnLookEnds(int64_t now, int64_t cost);
  // No look before this.
  void RestUntil(int64_t until);

  // The time of the next look; nullopt: nothing was hinted.
  std::optional<int64_t> due() const;
  // Before it is due: when to ask for more hints. Not for each one, and not while it rests anyhow.
  std::optional<int64_t> wake(int64_t now) const;

 private:
  const WatchPace pace_;
  std::optional<int64_t> first_hint_;
  int64_t settled_ = 0;  // with a hint
  int64_t rest_until_ = 0;
};

// How well the kernel tells of changes.
enum class HintQuality {
  kAll,   // but for writes through mappings
  kMost,  // not of writes to files that were copied up already
  kNone,
};

// Looks without hints: soon while the sandbox works, ever more rarely when it does not.
// Not thread-safe.
class WatchPoll {
 public:
  explicit WatchPoll(HintQuality quality);

  // Something was hinted or found.
  void OnActivity() { wait_ns_ = shortest_ns_; }
  // At a time that wait() gave: whether anything ran since the time before, and anything can run.
  void OnTick(bool worked, bool has_processes);
  // How long from now until the next tick; nullopt: not before the next activity.
  // `look_ns`: the processor time of the last look.
  std::optional<int64_t> wait(int64_t look_ns) const;

 private:
  int64_t shortest_ns_;
  int64_t longest_ns_;
  bool always_;
  std::optional<int64_t> wait_ns_;
};

}  // namespace glovebox

#endif  // GLOVEBOX_CHANGES_WATCH_PACER_H_
