// What the end of a command means for our own exit code and for the person in front of the
// terminal.
#ifndef GLOVEBOX_TOOLS_END_REPORT_H_
#define GLOVEBOX_TOOLS_END_REPORT_H_

#include <optional>
#include <string>

#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "glovebox/v1/frame.pb.h"

namespace glovebox {

inline constexpr int kExitFailure = 1;  // a verb other than run and exec failed
inline constexpr int kExitUsage = 2;    // the command line is wrong, verbs other than run and exec
inline constexpr int kExitTimedOut = 124;  // as timeout(1)
inline constexpr int kExitGlovebox = 125;  // run, exec: Glovebox failed, not the command; as docker
inline constexpr int kExitNotExecutable = 126;  // found but not executable; as a shell
inline constexpr int kExitNotFound = 127;       // no such command; as a shell
inline constexpr int kExitSignalBase = 128;     // plus the signal; as a shell

// The table in docs/cli.md.
int ExitCodeOf(const v1::End& end);

// One line without newline, e.g. "command timed out after 10s (wall limit)"; nothing when the
// command exited by itself. `limit` is the wall limit that was asked for, if one was. Escaped.
std::optional<std::string> ReasonOf(const v1::End& end, std::optional<absl::Duration> limit);

// "SIGKILL" for 9, "signal 77" for one without a name.
std::string SignalName(int signal);

// "exited", "timed_out", ...: the enum's name without its prefix, in lower case.
std::string CauseName(v1::EndCause cause);

}  // namespace glovebox

#endif  // GLOVEBOX_TOOLS_END_REPORT_H_
