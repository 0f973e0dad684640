// A command that runs in a sandbox as if it ran here: its output is ours, our signals and input are
// its.
#ifndef GLOVEBOX_TOOLS_ATTACHED_COMMAND_H_
#define GLOVEBOX_TOOLS_ATTACHED_COMMAND_H_

#include <cstdint>
#include <functional>
#include <mutex>
#include <string>

#include "glovebox/v1/exec.pb.h"
#include "tools/glovebox/connection.h"
#include "tools/glovebox/reconnect.h"
#include "tools/glovebox/signal_thread.h"

namespace glovebox {

// Whom a signal is for changes while the program runs: a call to cancel, a command to pass it on
// to.
class Interrupts {
 public:
  // After BlockSignals().
  Interrupts();
  // Returns when no call of the former handler runs any more. Handlers run in a thread of their
  // own. After the handler of SIGTSTP the process stops, with or without one.
  void SetHandler(std::function<void(int)> handler);

 private:
  void OnSignal(int signal);

  std::mutex mutex_;
  std::function<void(int)> handler_;  // guarded by mutex_
  SignalThread thread_;               // last: it uses what is above
};

struct AttachedCommand {
  std::string sandbox_id;
  std::string exec_id;
  v1::ExecSpec spec;
  bool start = true;            // else it was started before, with this spec
  uint64_t from_sequence = 0;   // of output, when it was started before
  uint64_t stdin_offset = 0;    // of our input in the whole
  bool interactive = false;     // our stdin is the command's
  bool forward_signals = true;  // as SignalRelay says
  bool json = false;            // frames as lines of JSON on stdout, instead of their bytes
  ReconnectPolicy reconnect;
};

// Starts it or attaches to it, shows its output, waits for its end, and says on stderr why it ended
// unless it exited by itself. Returns the exit code of docs/cli.md. With a terminal our own is raw
// meanwhile. Signals: see SignalRelay.
int RunAttached(Connection& connection, Interrupts& interrupts, const AttachedCommand& command);

}  // namespace glovebox

#endif  // GLOVEBOX_TOOLS_ATTACHED_COMMAND_H_
