// A command that runs in a sandbox as if it ran here: its output is ours, our signals and input are
// its.
#ifndef GLOVEBOX_TOOLS_ATTACHED_COMMAND_H_
#define GLOVEBOX_TOOLS_ATTACHED_COMMAND_H_

#include <functional>
#include <mutex>
#include <string>

#include "glovebox/v1/exec.pb.h"
#include "tools/glovebox/connection.h"
#include "tools/glovebox/signal_thread.h"

namespace glovebox {

// Whom a signal is for changes while the program runs: a call to cancel, a command to pass it on
// to.
class Interrupts {
 public:
  // After BlockSignals().
  Interrupts();
  // Returns when no call of the former handler runs any more. Handlers run in a thread of their
  // own.
  void SetHandler(std::function<void(int)> handler);

 private:
  std::mutex mutex_;
  std::function<void(int)> handler_;  // guarded by mutex_
  SignalThread thread_;               // last: it uses what is above
};

struct AttachedCommand {
  std::string sandbox_id;
  std::string exec_id;
  v1::ExecSpec spec;
  bool interactive = false;  // our stdin is the command's
  bool json = false;         // frames as lines of JSON on stdout, instead of their bytes
};

// Starts it, shows its output, waits for its end, and says on stderr why it ended unless it exited
// by itself. Returns the exit code of docs/cli.md.
//
// INT, TERM, HUP and QUIT go to the command's process group; a second one within 2 s kills the
// whole tree, a third one gives up waiting. With a terminal our own is raw meanwhile.
int RunAttached(Connection& connection, Interrupts& interrupts, const AttachedCommand& command);

}  // namespace glovebox

#endif  // GLOVEBOX_TOOLS_ATTACHED_COMMAND_H_
