#include "linux/event_loop.h"

#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <cerrno>

#include "base/status.h"

namespace glovebox {

absl::StatusOr<std::unique_ptr<EventLoop>> EventLoop::Start() {
  UniqueFd epoll(::epoll_create1(EPOLL_CLOEXEC));
  if (!epoll.valid()) return ErrnoError(errno, "epoll_create1");
  UniqueFd wake(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!wake.valid()) return ErrnoError(errno, "eventfd");
  epoll_event event{};
  event.events = EPOLLIN;
  event.data.u64 = 0;
  if (::epoll_ctl(epoll.get(), EPOLL_CTL_ADD, wake.get(), &event) != 0) {
    return ErrnoError(errno, "epoll_ctl");
  }
  std::unique_ptr<EventLoop> loop(new EventLoop(std::move(epoll), std::move(wake)));
  loop->thread_ = std::thread([raw = loop.get()] { raw->Run(); });
  return loop;
}

EventLoop::EventLoop(UniqueFd epoll, UniqueFd wake)
    : epoll_(std::move(epoll)), wake_(std::move(wake)) {}

EventLoop::~EventLoop() {
  const uint64_t one = 1;
  (void)!::write(wake_.get(), &one, sizeof one);  // cannot fail on a fresh counter
  thread_.join();
}

absl::StatusOr<uint64_t> EventLoop::Add(int fd, Callback on_readable) {
  return AddWatch(fd, EPOLLIN | EPOLLRDHUP, std::move(on_readable));
}

absl::StatusOr<uint64_t> EventLoop::AddEdges(int fd, Callback on_change) {
  return AddWatch(fd, EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET, std::move(on_change));
}

absl::StatusOr<uint64_t> EventLoop::AddWatch(int fd, uint32_t events, Callback callback) {
  uint64_t token = 0;
  {
    absl::MutexLock lock(&mutex_);
    token = next_token_++;
    watches_[token] = {fd, std::make_shared<Callback>(std::move(callback))};
  }
  epoll_event event{};
  event.events = events;
  event.data.u64 = token;
  if (::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, fd, &event) != 0) {
    const int error = errno;
    absl::MutexLock lock(&mutex_);
    watches_.erase(token);
    return ErrnoError(error, "epoll_ctl ADD");
  }
  return token;
}

void EventLoop::Remove(uint64_t token) {
  std::shared_ptr<Callback> keep;  // destroyed outside the lock: it may own what calls back here
  absl::MutexLock lock(&mutex_);
  if (auto it = watches_.find(token); it != watches_.end()) {
    (void)::epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, it->second.fd, nullptr);  // it was added
    keep = std::move(it->second.callback);
    watches_.erase(it);
  }
  if (std::this_thread::get_id() == thread_.get_id()) return;
  const auto finished = [this, token]()
                            ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) { return running_ != token; };
  mutex_.Await(absl::Condition(&finished));
}

void EventLoop::Dispatch(uint64_t token) {
  std::shared_ptr<Callback> callback;
  {
    absl::MutexLock lock(&mutex_);
    auto it = watches_.find(token);
    if (it == watches_.end()) return;
    callback = it->second.callback;
    running_ = token;
  }
  (*callback)();
  absl::MutexLock lock(&mutex_);
  running_ = 0;
}

void EventLoop::Run() {
  epoll_event events[64];
  for (;;) {
    const int count = ::epoll_wait(epoll_.get(), events, 64, -1);
    for (int i = 0; i < count; ++i) {
      if (events[i].data.u64 == 0) return;
      Dispatch(events[i].data.u64);
    }
  }
}

}  // namespace glovebox
