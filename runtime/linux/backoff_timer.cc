#include "linux/backoff_timer.h"

#include <sys/timerfd.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "base/status.h"

namespace glovebox {

absl::StatusOr<std::unique_ptr<BackoffTimer>> BackoffTimer::Make(EventLoop* events,
                                                                 EventLoop::Callback on_due) {
  UniqueFd fd(::timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK));
  if (!fd.valid()) return ErrnoError(errno, "timerfd_create");
  std::unique_ptr<BackoffTimer> timer(new BackoffTimer(events, std::move(fd)));
  timer->on_due_ = std::move(on_due);
  ASSIGN_OR_RETURN(timer->watch_,
                   events->Add(timer->timer_.get(), [raw = timer.get()] { raw->OnReadable(); }));
  return timer;
}

BackoffTimer::~BackoffTimer() {
  if (watch_ != 0) events_->Remove(watch_);
}

void BackoffTimer::Arm() {
  absl::MutexLock lock(&mutex_);
  if (armed_) return;
  itimerspec when{};
  when.it_value.tv_sec = next_ms_ / 1000;
  when.it_value.tv_nsec = next_ms_ % 1000 * 1'000'000;
  armed_ = ::timerfd_settime(timer_.get(), 0, &when, nullptr) == 0;
  next_ms_ = std::min(next_ms_ * 2, kLongestMs);
}

void BackoffTimer::Reset() {
  absl::MutexLock lock(&mutex_);
  const itimerspec never{};
  (void)::timerfd_settime(timer_.get(), 0, &never, nullptr);  // it is ours, and the value is valid
  armed_ = false;
  next_ms_ = kFirstMs;
}

void BackoffTimer::OnReadable() {
  uint64_t expirations = 0;
  // Nothing to read: it was reset meanwhile.
  if (::read(timer_.get(), &expirations, sizeof expirations) < 0) return;
  {
    absl::MutexLock lock(&mutex_);
    armed_ = false;
  }
  const EventLoop::Callback due = on_due_;  // it may destroy this object
  due();
}

}  // namespace glovebox
