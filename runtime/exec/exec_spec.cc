#include "exec/exec_spec.h"

#include <cstring>

#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "policy/exec_limits.h"

namespace glovebox {
namespace {

absl::Status Refuse(absl::string_view field, absl::string_view why) {
  return DetailedError(absl::StatusCode::kInvalidArgument, absl::StrCat("exec ", field, ": ", why),
                       {"INVALID_FIELD", {{"field", std::string(field)}}});
}

bool HasNul(const std::string& text) { return text.find('\0') != std::string::npos; }

absl::Status CheckTexts(const ExecSpec& spec) {
  if (spec.shell && !spec.arguments.empty()) {
    return Refuse("arguments", "must be empty for a persistent shell");
  }
  if (spec.shell && spec.terminal.has_value()) {
    return Refuse("shell", "has no terminal; run bash on a terminal as any command");
  }
  if (!spec.shell && spec.arguments.empty()) return Refuse("arguments", "is empty; name a program");
  if (!spec.shell && spec.arguments[0].empty()) {
    return Refuse("arguments[0]", "is empty; name a program");
  }
  size_t bytes = sizeof(ExecSpecWire) + spec.user.size() + spec.working_directory.size() + 2;
  if (spec.environment.size() > kExecVariablesMax) {
    return Refuse("environment", absl::StrCat("has more than ", kExecVariablesMax, " variables"));
  }
  for (const std::string& argument : spec.arguments) {
    if (argument.size() > kExecArgumentBytesMax) {
      return Refuse("arguments", absl::StrCat("has one over the kernel's limit of ",
                                              kExecArgumentBytesMax, " bytes"));
    }
    if (HasNul(argument)) return Refuse("arguments", "has a NUL byte");
    bytes += argument.size() + 1;
  }
  for (const std::string& variable : spec.environment) {
    if (HasNul(variable)) return Refuse("environment", "has a NUL byte");
    const size_t equals = variable.find('=');
    if (equals == 0 || equals == std::string::npos) {
      return Refuse("environment", "has an entry that is not NAME=value");
    }
    bytes += variable.size() + 1;
  }
  if (bytes > kExecTextBytesMax) {
    return Refuse("arguments and environment",
                  absl::StrCat("take ", bytes, " bytes together; the limit is ", kExecTextBytesMax,
                               "; pass large input on stdin or in a file"));
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status ValidateExecSpec(const ExecSpec& spec) {
  RETURN_IF_ERROR(CheckTexts(spec));
  if (HasNul(spec.user) || spec.user.size() > 255) {
    return Refuse("user", "is not a user name or id");
  }
  const std::string& cwd = spec.working_directory;
  if (HasNul(cwd) || cwd.size() > 4095) return Refuse("working_directory", "is over 4095 bytes");
  if (!cwd.empty() && cwd[0] != '/') return Refuse("working_directory", "must be absolute");
  ExecLimits limits;
  limits.wall_ms = spec.wall_limit_ms;
  limits.idle_ms = spec.idle_limit_ms;
  limits.output_bytes = spec.output_bytes_max;
  limits.term_grace_ms = spec.term_grace_ms;
  limits.drain_ms = spec.drain_limit_ms;
  limits.head_bytes = spec.head_bytes;
  limits.ring_bytes = spec.ring_bytes;
  limits.stderr_ring_bytes = spec.stderr_ring_bytes;
  limits.hold_ms = spec.hold_limit_ms;
  limits.full_log_bytes = spec.full_log_bytes;
  RETURN_IF_ERROR(Validate(limits));
  if (spec.terminal.has_value() && (spec.terminal->rows == 0 || spec.terminal->columns == 0)) {
    return Refuse("terminal", "must have at least one row and one column");
  }
  return absl::OkStatus();
}

const char* CauseName(ExecResult::Cause cause) {
  switch (cause) {
    case ExecResult::Cause::kExited:
      return "EXITED";
    case ExecResult::Cause::kSignaled:
      return "SIGNALED";
    case ExecResult::Cause::kTimedOut:
      return "TIMED_OUT";
    case ExecResult::Cause::kIdleTimedOut:
      return "IDLE_TIMED_OUT";
    case ExecResult::Cause::kOomKilled:
      return "OOM_KILLED";
    case ExecResult::Cause::kOutputLimit:
      return "OUTPUT_LIMIT";
    case ExecResult::Cause::kKilledByClient:
      return "KILLED_BY_CLIENT";
    case ExecResult::Cause::kSandboxGone:
      return "SANDBOX_GONE";
    case ExecResult::Cause::kSpawnFailed:
      return "SPAWN_FAILED";
    case ExecResult::Cause::kPidsLimit:
      return "PIDS_LIMIT";
    case ExecResult::Cause::kDiskFull:
      return "DISK_FULL";
  }
  return "UNKNOWN";
}

const char* ExecStepName(ExecStep step) {
  switch (step) {
    case ExecStep::kNone:
      return "none";
    case ExecStep::kReadSpec:
      return "read_spec";
    case ExecStep::kResources:
      return "resources";
    case ExecStep::kClone:
      return "clone";
    case ExecStep::kSession:
      return "session";
    case ExecStep::kDescriptors:
      return "descriptors";
    case ExecStep::kResetSignals:
      return "reset_signals";
    case ExecStep::kUser:
      return "user";
    case ExecStep::kCapabilities:
      return "capabilities";
    case ExecStep::kWorkingDirectory:
      return "working_directory";
    case ExecStep::kFilter:
      return "filter";
    case ExecStep::kExecve:
      return "execve";
    case ExecStep::kInterpreter:
      return "interpreter";
  }
  return "unknown";
}

namespace {

std::string DescribeSignal(int signal) {
  const char* name = ::sigabbrev_np(signal);
  return absl::StrCat("signal ", signal, name == nullptr ? "" : absl::StrCat(" (SIG", name, ")"));
}

std::string DescribeLeader(const ExecResult& result) {
  if (result.signal.has_value()) return absl::StrCat("killed by ", DescribeSignal(*result.signal));
  if (result.exit_code.has_value()) return absl::StrCat("exited ", *result.exit_code);
  return "its leader's fate is not known";
}

}  // namespace

std::string DescribeResult(const ExecResult& result) {
  switch (result.cause) {
    case ExecResult::Cause::kExited:
    case ExecResult::Cause::kSignaled:
      return absl::StrCat(DescribeLeader(result), result.core_dumped ? ", core dumped" : "");
    case ExecResult::Cause::kTimedOut:
      return absl::StrCat("timed out (wall limit); ", DescribeLeader(result));
    case ExecResult::Cause::kIdleTimedOut:
      return absl::StrCat("timed out (no output); ", DescribeLeader(result));
    case ExecResult::Cause::kOomKilled:
      return absl::StrCat("out of memory: the sandbox's limit is ",
                          result.oom.has_value() ? result.oom->limit_bytes : 0, " bytes; ",
                          DescribeLeader(result));
    case ExecResult::Cause::kOutputLimit:
      return absl::StrCat("output limit reached; ", DescribeLeader(result));
    case ExecResult::Cause::kKilledByClient:
      return absl::StrCat("killed on request; ", DescribeLeader(result));
    case ExecResult::Cause::kSandboxGone:
      return "the sandbox ended before the command did";
    case ExecResult::Cause::kSpawnFailed:
      return absl::StrCat(
          "could not start: ", ExecStepName(result.failed_step.value_or(ExecStep::kNone)), ": ",
          std::strerror(result.error));
    case ExecResult::Cause::kPidsLimit:
      return absl::StrCat("the sandbox's limit of ",
                          result.pids.has_value() ? result.pids->limit : 0,
                          " processes was reached; ", DescribeLeader(result));
    case ExecResult::Cause::kDiskFull:
      return absl::StrCat(result.disk.has_value() && result.disk->path != "/"
                              ? result.disk->path
                              : "the sandbox's disk",
                          " is full; ", DescribeLeader(result));
  }
  return "unknown";
}

}  // namespace glovebox
