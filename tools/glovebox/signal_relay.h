// What our signals do to a command that runs elsewhere.
#ifndef GLOVEBOX_TOOLS_SIGNAL_RELAY_H_
#define GLOVEBOX_TOOLS_SIGNAL_RELAY_H_

#include <atomic>
#include <chrono>
#include <functional>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "glovebox/v1/exec.pb.h"
#include "tools/glovebox/connection.h"
#include "tools/glovebox/terminal.h"

namespace glovebox {

// INT, TERM, HUP and QUIT go to the command's process group; a second one within 2 s kills the
// whole tree, a third one gives up waiting. USR1 and USR2 go to the leader, always. What cannot be
// sent for want of a connection is sent when it is back. Handle() from one thread, Attached() from
// another.
class SignalRelay {
 public:
  struct Target {
    std::string sandbox_id;
    std::string exec_id;
    bool terminal = false;  // it has one, of our size
    bool forward = true;    // else the first of INT, TERM, HUP and QUIT gives up
  };
  // `raw` may be null. `give_up` must be safe to call from the thread of Handle().
  SignalRelay(Connection& connection, Target target, RawTerminal* raw,
              std::function<void()> give_up);

  void Handle(int signal);
  // A connection is there, and the exec: sends what waits, and our window's size.
  void Attached();
  void Send(int signal, v1::SignalScope scope);

  // The signal that was one too many, 0 before.
  int given_up() const { return given_up_; }

 private:
  void Escalate(int signal);
  void GiveUp(int signal);
  void Resize();

  Connection& connection_;
  const Target target_;
  RawTerminal* const raw_;
  const std::function<void()> give_up_;
  int count_ = 0;
  std::chrono::steady_clock::time_point last_;
  std::atomic<int> given_up_ = 0;
  std::mutex mutex_;
  std::vector<std::pair<int, v1::SignalScope>> waiting_;  // guarded by mutex_
};

}  // namespace glovebox

#endif  // GLOVEBOX_TOOLS_SIGNAL_RELAY_H_
