#include "tools/glovebox/print.h"

#include <unistd.h>

#include <csignal>

#include "tools/glovebox/end_report.h"
#include "tools/glovebox/failure.h"
#include "tools/glovebox/terminal.h"

namespace glovebox {

int Print(absl::string_view text) {
  const absl::Status status = WriteOut(STDOUT_FILENO, text);
  if (status.ok()) return 0;
  if (IsBrokenPipe(status)) return kExitSignalBase + SIGPIPE;
  return Fail("", status, kExitFailure);
}

}  // namespace glovebox
