#include "daemon/shutdown.h"

#include <signal.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <ctime>
#include <thread>

namespace glovebox {
namespace {

sigset_t EndSignals() {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGTERM);
  sigaddset(&set, SIGINT);
  return set;
}

// Between two looks whether the stop is done: a signal wakes it at once.
constexpr absl::Duration kLook = absl::Milliseconds(50);

bool SignalWithin(absl::Duration time) {
  const sigset_t set = EndSignals();
  const timespec timeout = absl::ToTimespec(time);
  return ::sigtimedwait(&set, nullptr, &timeout) > 0;
}

}  // namespace

void PrepareSignals() {
  const sigset_t set = EndSignals();
  (void)::pthread_sigmask(SIG_BLOCK, &set, nullptr);  // fails only for a wrong first argument
  (void)::signal(SIGPIPE, SIG_IGN);
  (void)::signal(SIGHUP, SIG_IGN);
}

int WaitForEndSignal() {
  const sigset_t set = EndSignals();
  for (;;) {
    int number = 0;
    if (::sigwait(&set, &number) == 0) return number;
  }
}

void StopWithPatience(const std::function<void()>& stop, const std::function<void()>& hasten,
                      absl::Duration patience) {
  std::atomic<bool> stopped = false;
  std::thread watcher([&] {
    absl::Duration waited;
    bool hastened = false;
    while (!stopped.load()) {
      const bool again = SignalWithin(kLook);
      waited += kLook;
      if (again && hastened) ::_exit(1);
      if (hastened || (!again && waited < patience)) continue;
      hastened = true;
      hasten();
    }
  });
  stop();
  stopped.store(true);
  watcher.join();
}

}  // namespace glovebox
