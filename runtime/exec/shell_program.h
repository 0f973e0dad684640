// The program of a persistent shell, and the bytes by which it is given a command.
//
// The exec's command is sh, which turns into bash where there is one. Either runs a small fixed
// loop: read a command from the control socket (kShellControlFd, moved to 200 in bash), `eval` it
// with that descriptor closed, write its status there. While `eval` runs, the shell keeps the
// descriptor as a copy that is closed at every execve, as it does for any redirection; so programs
// that a command starts do not have it. Nothing of this touches stdin, stdout or stderr.
//
// SIGINT while a command runs abandons that command and nothing else: `break` out of all loops ends
// the rest of it; in functions of bash a DEBUG trap returns from each. The trap is the shell's
// like any other and a command may replace it.
#ifndef GLOVEBOX_EXEC_SHELL_PROGRAM_H_
#define GLOVEBOX_EXEC_SHELL_PROGRAM_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "exec/shell_state.h"

namespace glovebox {

// Argument vector of a persistent shell.
std::vector<std::string> ShellArguments();

// What the shell reads: "<lines> <bytes>\n", then so many lines and bytes. bash goes by the bytes,
// sh by the lines. `script` has no NUL.
std::string EncodeShellInput(absl::string_view script);

// The same for the same command, in every daemon; says whether a repeated number is a retry.
uint64_t ShellFingerprint(const ShellCommand& command);

}  // namespace glovebox

#endif  // GLOVEBOX_EXEC_SHELL_PROGRAM_H_
