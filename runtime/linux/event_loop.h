// One thread that waits on descriptors (epoll) and calls back when they can be read.
#ifndef GLOVEBOX_LINUX_EVENT_LOOP_H_
#define GLOVEBOX_LINUX_EVENT_LOOP_H_

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <thread>

#include "absl/base/thread_annotations.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "base/unique_fd.h"

namespace glovebox {

// Thread-safe. Callbacks run on the loop's thread, one at a time; they must not block.
class EventLoop {
 public:
  using Callback = std::function<void()>;

  static absl::StatusOr<std::unique_ptr<EventLoop>> Start();
  ~EventLoop();  // ends the thread; callbacks not yet begun are never made
  EventLoop(const EventLoop&) = delete;
  EventLoop& operator=(const EventLoop&) = delete;

  // Calls `on_readable` whenever `fd` is readable or hung up (level-triggered) until Remove. The
  // descriptor must stay open until Remove has returned. Returns a token for Remove.
  absl::StatusOr<uint64_t> Add(int fd, Callback on_readable);

  // Calls `on_change` whenever `fd` becomes readable, writable or hung up, once for each time
  // (edge-triggered), the first time at once if it is: who is called reads and writes until neither
  // goes on. Else as Add.
  absl::StatusOr<uint64_t> AddEdges(int fd, Callback on_change);

  // After it returns, the callback of `token` neither runs nor will run, unless Remove is called
  // from that callback.
  void Remove(uint64_t token);

 private:
  struct Watch {
    int fd;
    std::shared_ptr<Callback> callback;
  };

  EventLoop(UniqueFd epoll, UniqueFd wake);
  absl::StatusOr<uint64_t> AddWatch(int fd, uint32_t events, Callback callback);
  void Run();
  void Dispatch(uint64_t token) ABSL_LOCKS_EXCLUDED(mutex_);

  UniqueFd epoll_;
  UniqueFd wake_;  // eventfd, token 0: ends the thread
  absl::Mutex mutex_;
  uint64_t next_token_ ABSL_GUARDED_BY(mutex_) = 1;
  uint64_t running_ ABSL_GUARDED_BY(mutex_) = 0;  // token of the callback that runs now, 0 for none
  std::map<uint64_t, Watch> watches_ ABSL_GUARDED_BY(mutex_);
  std::thread thread_;  // last: started when all else is there
};

}  // namespace glovebox

#endif  // GLOVEBOX_LINUX_EVENT_LOOP_H_
