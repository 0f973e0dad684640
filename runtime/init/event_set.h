// The epoll set of the exec server. An event carries what it is about and the exec's slot.
#ifndef GLOVEBOX_INIT_EVENT_SET_H_
#define GLOVEBOX_INIT_EVENT_SET_H_

#include <sys/epoll.h>

#include <cstdint>

#include "base/unique_fd.h"
#include "linux/raw_syscalls.h"

namespace glovebox {

enum class EventSource : uint32_t {
  kListen,
  kConnection,
  kSignals,
  kStdout,
  kStderr,
  kStdin,
  kRefusal,
  kShell
};

class EventSet {
 public:
  long Create() {
    long fd = raw::Call(__NR_epoll_create1, EPOLL_CLOEXEC);
    if (fd >= 0) fd_.Reset(static_cast<int>(fd));
    return fd;
  }
  long Add(int fd, uint32_t events, EventSource source, uint32_t slot = 0) {
    epoll_event event = Event(events, source, slot);
    return raw::Call(__NR_epoll_ctl, fd_.get(), EPOLL_CTL_ADD, fd, &event);
  }
  // A descriptor that is not in the set stays out of it.
  void Change(int fd, uint32_t events, EventSource source, uint32_t slot = 0) {
    epoll_event event = Event(events, source, slot);
    (void)raw::Call(__NR_epoll_ctl, fd_.get(), EPOLL_CTL_MOD, fd, &event);
  }
  void Remove(int fd) {
    epoll_event event{};
    (void)raw::Call(__NR_epoll_ctl, fd_.get(), EPOLL_CTL_DEL, fd, &event);
  }
  // Number of events, 0 at the timeout (milliseconds, -1: none) or at a signal.
  long Wait(epoll_event* events, int count, int timeout_ms) {
    return raw::Call(__NR_epoll_wait, fd_.get(), events, count, timeout_ms);
  }

  static EventSource SourceOf(const epoll_event& event) {
    return static_cast<EventSource>(event.data.u64 >> 32);
  }
  static uint32_t SlotOf(const epoll_event& event) { return static_cast<uint32_t>(event.data.u64); }

 private:
  static epoll_event Event(uint32_t events, EventSource source, uint32_t slot) {
    epoll_event event{};
    event.events = events;
    event.data.u64 = uint64_t{static_cast<uint32_t>(source)} << 32 | slot;
    return event;
  }
  UniqueFd fd_;
};

}  // namespace glovebox

#endif  // GLOVEBOX_INIT_EVENT_SET_H_
