// How long to wait before a process that has ended is started again.
#ifndef GLOVEBOX_DAEMON_RESTART_DELAY_H_
#define GLOVEBOX_DAEMON_RESTART_DELAY_H_

#include <algorithm>
#include <utility>

#include "absl/time/time.h"

namespace glovebox {

// Not thread-safe.
class RestartDelay {
 public:
  static constexpr absl::Duration kFirst = absl::Milliseconds(100);
  static constexpr absl::Duration kLongest = absl::Seconds(10);
  static constexpr absl::Duration kLivedWell = absl::Seconds(30);

  void Started(absl::Time now) { since_ = now; }
  // Once for each start that is to come: kFirst, then twice as long as the time before, up to
  // kLongest; kFirst again after one that lived for kLivedWell.
  absl::Duration Next(absl::Time now) {
    if (now - std::exchange(since_, absl::InfiniteFuture()) >= kLivedWell) next_ = kFirst;
    return std::exchange(next_, std::min(next_ * 2, kLongest));
  }

 private:
  absl::Duration next_ = kFirst;
  absl::Time since_ = absl::InfiniteFuture();  // it has not started, or has been asked about
};

}  // namespace glovebox

#endif  // GLOVEBOX_DAEMON_RESTART_DELAY_H_
