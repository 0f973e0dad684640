// Signals that end the daemon.
#ifndef GLOVEBOX_DAEMON_SHUTDOWN_H_
#define GLOVEBOX_DAEMON_SHUTDOWN_H_

#include <functional>

#include "absl/time/time.h"

namespace glovebox {

// Blocks SIGTERM and SIGINT in this thread and all that it starts, and ignores SIGPIPE and
// SIGHUP. Before the first thread.
void PrepareSignals();

// Waits for SIGTERM or SIGINT; returns its number.
int WaitForEndSignal();

// Runs `stop`. When it takes longer than `patience`, or another SIGTERM or SIGINT comes, runs
// `hasten` on another thread meanwhile, once; a third one ends the process with status 1.
void StopWithPatience(const std::function<void()>& stop, const std::function<void()>& hasten,
                      absl::Duration patience);

}  // namespace glovebox

#endif  // GLOVEBOX_DAEMON_SHUTDOWN_H_
