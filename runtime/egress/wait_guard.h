// Ends a system call that waits although it was not to: the sockets of a sandbox are made inside of
// it, and O_NONBLOCK belongs to all who hold one. Whoever took the sandbox's init over can clear it
// between a poll and an accept(2), which has no flag of its own against that, and everyone's
// connections would wait with it.
#ifndef GLOVEBOX_EGRESS_WAIT_GUARD_H_
#define GLOVEBOX_EGRESS_WAIT_GUARD_H_

#include <signal.h>
#include <sys/time.h>

namespace glovebox {

// While it lives, a call that waits longer than kWaitMs fails with EINTR. One at a time.
class WaitGuard {
 public:
  static constexpr int kWaitMs = 100;

  // Once, before the filter of system calls.
  static void Prepare() {
    struct sigaction action {};
    action.sa_handler = [](int) {};                // and no SA_RESTART
    (void)::sigaction(SIGALRM, &action, nullptr);  // cannot fail
  }

  // Again and again, since the signal may come just before the call.
  WaitGuard() { Set(kWaitMs * 1000); }
  ~WaitGuard() { Set(0); }
  WaitGuard(const WaitGuard&) = delete;
  WaitGuard& operator=(const WaitGuard&) = delete;

 private:
  static void Set(int microseconds) {
    const itimerval every{{0, microseconds}, {0, microseconds}};
    (void)::setitimer(ITIMER_REAL, &every, nullptr);  // cannot fail
  }
};

}  // namespace glovebox

#endif  // GLOVEBOX_EGRESS_WAIT_GUARD_H_
