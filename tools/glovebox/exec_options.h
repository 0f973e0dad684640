// The options that run and exec share, and the command's spec made of them.
#ifndef GLOVEBOX_TOOLS_EXEC_OPTIONS_H_
#define GLOVEBOX_TOOLS_EXEC_OPTIONS_H_

#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "glovebox/v1/exec.pb.h"
#include "tools/glovebox/reconnect.h"
#include "tools/glovebox/terminal.h"
#include "tools/glovebox/verb.h"

namespace glovebox {

struct ExecOptions {
  bool interactive = false;
  bool terminal = false;
  std::vector<std::string> environment;  // K=V
  std::string working_directory;
  std::string user;
  std::string timeout;  // "": none
  bool changes = false;
  std::string full_log;  // "": none, "true": as long as the daemon says, or a size
  ReconnectOptions reconnect;
};

void AddExecOptions(Verb verb, ExecOptions& options);

// INVALID_ARGUMENT without a command, for "K" instead of "K=V", for a wrong timeout. `term` is this
// process's TERM, which a command with a terminal gets unless the options say otherwise; null when
// there is none. Pure.
absl::StatusOr<v1::ExecSpec> BuildExecSpec(const ExecOptions& options,
                                           const std::vector<std::string>& command,
                                           WindowSize window, const char* term);

// The wall limit in `spec`, if there is one.
std::optional<absl::Duration> WallLimit(const v1::ExecSpec& spec);

}  // namespace glovebox

#endif  // GLOVEBOX_TOOLS_EXEC_OPTIONS_H_
