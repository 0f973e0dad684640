// The commands of a persistent shell, as the daemon sees them.
#ifndef GLOVEBOX_EXEC_SHELL_STATE_H_
#define GLOVEBOX_EXEC_SHELL_STATE_H_

#include <cstdint>
#include <optional>
#include <string>

#include "absl/strings/string_view.h"
#include "init/exec_region.h"

namespace glovebox {

inline constexpr size_t kShellScriptBytesMax = 1024 * 1024;

// A command to run. Its number makes it safe to ask again.
struct ShellCommand {
  std::optional<uint64_t> number;  // the latest one's plus one; none: whatever is next
  std::string reader;              // whose command it is; "": anybody's
  std::string script;
  uint32_t wall_limit_ms = 0;  // 0: none
  uint32_t term_grace_ms = 2000;
};

// Where the frames of a command are.
struct ShellTicket {
  uint64_t number = 0;
  uint64_t from_sequence = 0;  // at or before its start
};

struct CommandResult {
  uint64_t number = 0;
  CommandCause cause = CommandCause::kExited;
  std::optional<int> exit_code;
  std::optional<int> signal;  // that ended the shell
  bool shell_ended = false;
};

// The latest command, as init says: taken as hostile, used for nothing but answers.
struct ShellState {
  uint64_t number = 0;  // 0: none yet
  bool running = false;
  uint64_t fingerprint = 0;
  uint64_t started_sequence = 0;
  uint64_t ended_sequence = 0;       // when it is not running
  std::optional<CommandResult> end;  // when it is not running
};

// Nothing when init says what cannot be.
std::optional<CommandResult> ReadCommandEnd(const CommandEndedRecord& record);
std::optional<CommandResult> ReadCommandEnd(absl::string_view record_bytes);
std::optional<uint64_t> ReadCommandStart(absl::string_view record_bytes);

// A copy of what init wrote; no state at all when it cannot be.
ShellState ReadShellState(const ShellWords& words);

}  // namespace glovebox

#endif  // GLOVEBOX_EXEC_SHELL_STATE_H_
