// glovebox changes --watch: prints what changes until it is interrupted.
#ifndef GLOVEBOX_TOOLS_CHANGES_WATCH_H_
#define GLOVEBOX_TOOLS_CHANGES_WATCH_H_

#include <string>

#include "glovebox/v1/change.pb.h"
#include "tools/glovebox/invocation.h"
#include "tools/glovebox/reconnect.h"

namespace glovebox {

// As `changes` prints it: the letter, a tab, the path. `nul`: raw, and ended by NUL.
std::string ChangeLine(const v1::Change& change, bool nul);

struct ChangesWatch {
  std::string sandbox;
  v1::WatchChangesRequest request;  // without its sandbox
  ReconnectOptions reconnect;
  bool nul = false;
  bool cursors = false;  // tell the cursor after each batch, on stderr
};

// The exit code. A batch is printed when all of it has come; after a broken connection the watch
// goes on from the last one.
int WatchChanges(const Invocation& invocation, ChangesWatch watch);

}  // namespace glovebox

#endif  // GLOVEBOX_TOOLS_CHANGES_WATCH_H_
