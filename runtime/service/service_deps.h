// What every service works with.
#ifndef GLOVEBOX_SERVICE_SERVICE_DEPS_H_
#define GLOVEBOX_SERVICE_SERVICE_DEPS_H_

#include <string>

#include "base/clock.h"
#include "base/work_queue.h"
#include "policy/output_limits.h"
#include "service/caller.h"
#include "service/client_book.h"
#include "service/convert_sandbox.h"
#include "service/paging.h"
#include "service/rpc_observer.h"
#include "service/sandbox_access.h"

namespace glovebox {

class ConnectionLog;
class EventLoop;
class TreeWatches;

// All outlive the server.
struct ServiceDeps {
  const SandboxAccess* sandboxes = nullptr;
  // Calls that take milliseconds.
  WorkQueue* calls = nullptr;
  // Calls that take up to minutes or wait for their client: imports, creation from a repository,
  // patches. A queue of their own, so that they never hold up the others; and of its threads one
  // sandbox has a share, whatever its commands do to a call on its files.
  WorkQueue* transfers = nullptr;
  // Pauses and their ends, which wait for a sandbox's init and for its forks: each other at most.
  WorkQueue* pauses = nullptr;
  const Clock* clock = nullptr;
  RpcObserver* observer = nullptr;
  const PageTokens* page_tokens = nullptr;
  const CallerSource* callers = nullptr;
  ClientBook* book = nullptr;
  std::string host_id;
  LimitBounds limits;
  OutputBounds output;
  bool audit_arguments = false;  // of commands
  TreeWatches* watches = nullptr;
  EventLoop* forward_events = nullptr;  // of forwarded connections
  // Null: nothing is recorded, as of sandboxes that have no way out.
  ConnectionLog* connections = nullptr;
};

}  // namespace glovebox

#endif  // GLOVEBOX_SERVICE_SERVICE_DEPS_H_
