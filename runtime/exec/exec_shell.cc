// The part of Exec that gives commands to a persistent shell.
#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/flat_bytes.h"
#include "base/status.h"
#include "exec/exec.h"
#include "exec/shell_program.h"
#include "linux/memfd.h"
#include "policy/exec_limits.h"

namespace glovebox {
namespace {

absl::Status Precondition(absl::string_view message, absl::string_view reason,
                          uint64_t number = 0) {
  ErrorDetail detail{std::string(reason), {}};
  if (number != 0) detail.metadata["value"] = absl::StrCat(number);
  return DetailedError(absl::StatusCode::kFailedPrecondition, message, detail);
}

absl::Status CheckCommand(const ShellCommand& command) {
  const auto refuse = [](absl::string_view field, absl::string_view why) {
    return DetailedError(absl::StatusCode::kInvalidArgument, absl::StrCat(field, " ", why),
                         {"INVALID_FIELD", {{"field", std::string(field)}}});
  };
  if (command.number == uint64_t{0}) return refuse("number", "begins at 1");
  if (command.script.size() > kShellScriptBytesMax) {
    return refuse("script", absl::StrCat("has more than ", kShellScriptBytesMax,
                                         " bytes; write a file and run that"));
  }
  if (command.script.find('\0') != std::string::npos) {
    return refuse("script", "has a NUL byte, which no shell can take");
  }
  ExecLimits limits;
  limits.wall_ms = command.wall_limit_ms;
  limits.term_grace_ms = command.term_grace_ms;
  return Validate(limits);
}

}  // namespace

ShellState Exec::LatestCommand() const {
  return region_ != nullptr ? region_->shell_state() : last_shell_state_;
}

ShellState Exec::Shell() const {
  absl::MutexLock lock(&mutex_);
  return LatestCommand();
}

absl::StatusOr<ShellTicket> Exec::FindCommand(uint64_t number, uint64_t fingerprint,
                                              const ShellState& latest) const {
  if (number < std::max(latest.number, shell_sent_.number)) {
    return DetailedError(absl::StatusCode::kNotFound,
                         absl::StrCat("command ", number, " is not the latest (",
                                      std::max(latest.number, shell_sent_.number),
                                      "); read what is retained of it with AttachExec"),
                         {"COMMAND_PASSED", {{"value", absl::StrCat(latest.number)}}});
  }
  const bool known = number == latest.number;
  if ((known ? latest.fingerprint : shell_fingerprint_) != fingerprint) {
    return DetailedError(
        absl::StatusCode::kAlreadyExists,
        absl::StrCat("command ", number, " was another one; the next is ", number + 1),
        {"COMMAND_NUMBER_REUSED", {{"value", absl::StrCat(number + 1)}}});
  }
  if (known) return ShellTicket{number, latest.started_sequence};
  return shell_sent_;
}

absl::StatusOr<ShellTicket> Exec::SendCommand(const ShellCommand& command, uint64_t number,
                                              uint64_t fingerprint) {
  const std::string input = EncodeShellInput(command.script);
  ASSIGN_OR_RETURN(const UniqueFd memfd,
                   MakeSealedMemfd("glovebox-shell", input, /*executable=*/false));
  ShellCommandBody body{};
  body.number = number;
  body.fingerprint = fingerprint;
  body.size = static_cast<uint32_t>(input.size());
  body.wall_limit_ms = command.wall_limit_ms;
  body.term_grace_ms = command.term_grace_ms;
  const ShellTicket ticket{number, region_->last_sequence() + 1};
  RETURN_IF_ERROR(init_->Send(FrameKind::kShellCommand, exec_no_, BytesOf(body), {memfd.get()}));
  shell_sent_ = ticket;
  shell_fingerprint_ = fingerprint;
  return ticket;
}

absl::StatusOr<ShellTicket> Exec::RunShellCommand(const ShellCommand& command) {
  RETURN_IF_ERROR(CheckCommand(command));
  if (!spec_.shell) {
    return Precondition("the exec is not a persistent shell; start one with spec.shell",
                        "NOT_A_SHELL");
  }
  const uint64_t fingerprint = ShellFingerprint(command);
  absl::MutexLock lock(&mutex_);
  const ShellState latest = LatestCommand();
  const uint64_t last = std::max(latest.number, shell_sent_.number);
  const bool ended = state_.result.has_value();
  // One that was sent and not taken before the end never ran.
  if (command.number.has_value() && *command.number <= (ended ? latest.number : last)) {
    return FindCommand(*command.number, fingerprint, latest);
  }
  if (ended || region_ == nullptr) {
    return Precondition("the shell has ended; start another one", "EXEC_ENDED");
  }
  if (last > latest.number || latest.running) {
    return Precondition(absl::StrCat("command ", last,
                                     " of the shell runs; wait for its end, or interrupt it with "
                                     "SIGINT to the tree"),
                        "SHELL_BUSY", last);
  }
  if (command.number.has_value() && *command.number != last + 1) {
    return DetailedError(
        absl::StatusCode::kOutOfRange,
        absl::StrCat("command ", *command.number, " cannot come next; the next is ", last + 1),
        {"COMMAND_IN_FUTURE", {{"value", absl::StrCat(last + 1)}}});
  }
  return SendCommand(command, last + 1, fingerprint);
}

}  // namespace glovebox
