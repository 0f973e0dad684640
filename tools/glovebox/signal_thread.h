// Signals as calls in a thread of their own, so that a handler may do anything.
#ifndef GLOVEBOX_TOOLS_SIGNAL_THREAD_H_
#define GLOVEBOX_TOOLS_SIGNAL_THREAD_H_

#include <functional>
#include <thread>

#include "base/unique_fd.h"

namespace glovebox {

// Blocks SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGUSR1, SIGUSR2, SIGWINCH, SIGTSTP and SIGCONT in this
// thread and all that it starts. Before the first connection, because gRPC's threads inherit the
// mask.
void BlockSignals();

// Calls `handler` with each of these signals, one at a time, until destroyed. After BlockSignals().
class SignalThread {
 public:
  explicit SignalThread(std::function<void(int)> handler);
  ~SignalThread();
  SignalThread(const SignalThread&) = delete;
  SignalThread& operator=(const SignalThread&) = delete;

 private:
  void Run();

  std::function<void(int)> handler_;
  UniqueFd signals_;
  UniqueFd stop_;
  std::thread thread_;  // last: it uses what is above
};

}  // namespace glovebox

#endif  // GLOVEBOX_TOOLS_SIGNAL_THREAD_H_
