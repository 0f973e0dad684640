// How many refusals of a sandbox are told. They cost a payload nothing, and all sandboxes' events
// share a queue: those beyond a rate are counted instead. Where it is known which command was
// refused, each has a share of its own, so one that tries without end does not hide what another
// one was refused.
#ifndef GLOVEBOX_EGRESS_REFUSAL_SHARES_H_
#define GLOVEBOX_EGRESS_REFUSAL_SHARES_H_

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

#include "egress/rate_budget.h"

namespace glovebox {

// Not thread-safe.
class RefusalShares {
 public:
  static constexpr uint32_t kPerSecond = 100;  // of each share
  static constexpr size_t kOwnMax = 8;         // shares, besides that of all others

  // Of the command `owner`, or 0. False: it is not told, and counted.
  bool Take(uint64_t owner, int64_t now_ns) {
    Share& share = Of(owner, now_ns);
    share.last_ns = now_ns;
    if (share.rate.Take(now_ns)) return true;
    ++share.untold;
    return false;
  }
  // What was counted since this was asked last.
  uint64_t TakeUntold(uint64_t owner) {
    for (Share& share : own_) {
      if (share.owner == owner) return std::exchange(share.untold, 0);
    }
    return std::exchange(others_.untold, 0);
  }

 private:
  static constexpr int64_t kIdleNanos = 2'000'000'000;  // then a share is as good as new
  struct Share {
    uint64_t owner = 0;
    RateBudget rate{kPerSecond};
    uint64_t untold = 0;
    int64_t last_ns = 0;
  };

  Share& Of(uint64_t owner, int64_t now_ns) {
    if (owner == 0) return others_;
    for (Share& share : own_) {
      if (share.owner == owner) return share;
    }
    if (own_.size() < kOwnMax) return own_.emplace_back(Share{owner, RateBudget(kPerSecond), 0, 0});
    const auto idle =
        std::min_element(own_.begin(), own_.end(),
                         [](const Share& a, const Share& b) { return a.last_ns < b.last_ns; });
    if (now_ns - idle->last_ns < kIdleNanos) return others_;
    others_.untold += idle->untold;
    *idle = Share{owner, RateBudget(kPerSecond), 0, 0};
    return *idle;
  }

  Share others_;
  std::vector<Share> own_;
};

}  // namespace glovebox

#endif  // GLOVEBOX_EGRESS_REFUSAL_SHARES_H_
