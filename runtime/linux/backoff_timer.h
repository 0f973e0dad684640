// Calls back after a while, a longer one each time that it was of no use.
#ifndef GLOVEBOX_LINUX_BACKOFF_TIMER_H_
#define GLOVEBOX_LINUX_BACKOFF_TIMER_H_

#include <cstdint>
#include <memory>

#include "absl/base/thread_annotations.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "base/unique_fd.h"
#include "linux/event_loop.h"

namespace glovebox {

// Thread-safe. The callback runs on the loop's thread and must not block.
class BackoffTimer {
 public:
  static constexpr int64_t kFirstMs = 100;
  static constexpr int64_t kLongestMs = 10'000;

  // `events` outlives it.
  static absl::StatusOr<std::unique_ptr<BackoffTimer>> Make(EventLoop* events,
                                                            EventLoop::Callback on_due);
  ~BackoffTimer();  // as EventLoop::Remove
  BackoffTimer(const BackoffTimer&) = delete;
  BackoffTimer& operator=(const BackoffTimer&) = delete;

  // Calls back once: after kFirstMs, then after twice as long as the time before, up to kLongestMs.
  // Nothing when a call is to come already.
  void Arm() ABSL_LOCKS_EXCLUDED(mutex_);
  // The next wait is the first again; a call that is to come is not made.
  void Reset() ABSL_LOCKS_EXCLUDED(mutex_);

 private:
  BackoffTimer(EventLoop* events, UniqueFd timer) : events_(events), timer_(std::move(timer)) {}
  void OnReadable() ABSL_LOCKS_EXCLUDED(mutex_);

  EventLoop* const events_;
  const UniqueFd timer_;
  EventLoop::Callback on_due_;
  uint64_t watch_ = 0;
  absl::Mutex mutex_;
  int64_t next_ms_ ABSL_GUARDED_BY(mutex_) = kFirstMs;
  bool armed_ ABSL_GUARDED_BY(mutex_) = false;
};

}  // namespace glovebox

#endif  // GLOVEBOX_LINUX_BACKOFF_TIMER_H_
