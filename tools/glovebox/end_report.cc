#include "tools/glovebox/end_report.h"

#include <csignal>
#include <cstring>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "base/escape.h"
#include "tools/glovebox/sizes.h"

namespace glovebox {
namespace {

// Of a leader that ended on its own terms, although something else is the cause.
int CodeOfLeader(const v1::End& end, int otherwise) {
  if (end.has_exit_code()) return end.exit_code();
  if (end.has_signal()) return kExitSignalBase + end.signal();
  return otherwise;
}

int CodeOfSpawnFailure(const v1::SpawnFailure& failure) {
  switch (static_cast<int>(failure.kind())) {
    case v1::SPAWN_FAILURE_KIND_NOT_FOUND:
      return kExitNotFound;
    case v1::SPAWN_FAILURE_KIND_NOT_EXECUTABLE:
    case v1::SPAWN_FAILURE_KIND_BAD_INTERPRETER:
      return kExitNotExecutable;
    default:
      return kExitGlovebox;
  }
}

std::string SpawnReason(const v1::SpawnFailure& failure) {
  std::string text = "could not start the command";
  switch (static_cast<int>(failure.kind())) {
    case v1::SPAWN_FAILURE_KIND_NOT_FOUND:
      text = "command not found";
      break;
    case v1::SPAWN_FAILURE_KIND_NOT_EXECUTABLE:
      text = "command is not executable";
      break;
    case v1::SPAWN_FAILURE_KIND_BAD_INTERPRETER:
      text = "the command's interpreter does not exist";
      break;
    case v1::SPAWN_FAILURE_KIND_BAD_WORKING_DIRECTORY:
      text = "cannot enter the working directory";
      break;
    case v1::SPAWN_FAILURE_KIND_BAD_USER:
      text = "no such user, or not allowed here";
      break;
    case v1::SPAWN_FAILURE_KIND_ARGUMENTS_TOO_LONG:
      text = "arguments and environment are too long";
      break;
    case v1::SPAWN_FAILURE_KIND_RESOURCES:
      text = "no process or no memory left within the sandbox's limits";
      break;
    default:
      if (!failure.step().empty()) {
        absl::StrAppend(&text, " (step ", EscapeForPeople(failure.step(), 64), ")");
      }
      break;
  }
  if (!failure.detail().empty()) {
    absl::StrAppend(&text, ": ", EscapeForPeople(failure.detail(), 300));
  }
  if (failure.error_number() != 0) {
    absl::StrAppend(&text, ": ",
                    ::strerrordesc_np(failure.error_number()) != nullptr
                        ? ::strerrordesc_np(failure.error_number())
                        : "unknown error");
  }
  return text;
}

std::string OomReason(const v1::End& end) {
  std::string text = "out of memory";
  if (!end.has_oom()) return text;
  if (end.oom().limit_bytes() != 0) {
    absl::StrAppend(&text, ": limit ", FormatSize(end.oom().limit_bytes()));
  }
  if (end.oom().has_peak_bytes()) {
    absl::StrAppend(&text, ", peak ", FormatSize(end.oom().peak_bytes()));
  }
  if (!end.oom().victim().empty()) {
    absl::StrAppend(&text, ", killed ", EscapeForPeople(end.oom().victim(), 64));
  }
  return text;
}

}  // namespace

int ExitCodeOf(const v1::End& end) {
  constexpr int kKilled = kExitSignalBase + SIGKILL;
  switch (static_cast<int>(end.cause())) {
    case v1::END_CAUSE_EXITED:
    case v1::END_CAUSE_SIGNALED:
      return CodeOfLeader(end, kExitGlovebox);
    case v1::END_CAUSE_TIMED_OUT:
    case v1::END_CAUSE_IDLE_TIMED_OUT:
      return kExitTimedOut;
    case v1::END_CAUSE_OOM_KILLED:
      return kKilled;
    case v1::END_CAUSE_PIDS_LIMIT:
    case v1::END_CAUSE_OUTPUT_LIMIT:
    case v1::END_CAUSE_DISK_FULL:
    case v1::END_CAUSE_KILLED_BY_CLIENT:
      return CodeOfLeader(end, kKilled);
    case v1::END_CAUSE_SPAWN_FAILED:
      return CodeOfSpawnFailure(end.spawn_failure());
    default:  // SANDBOX_GONE, and what a newer daemon may say: nobody knows how the command would
              // have ended
      return kExitGlovebox;
  }
}

std::optional<std::string> ReasonOf(const v1::End& end, std::optional<absl::Duration> limit) {
  const std::string after = limit.has_value() ? absl::StrCat(" after ", FormatSeconds(*limit)) : "";
  switch (static_cast<int>(end.cause())) {
    case v1::END_CAUSE_EXITED:
      return std::nullopt;
    case v1::END_CAUSE_SIGNALED:
      return absl::StrCat("command ended by ", SignalName(end.signal()),
                          end.core_dumped() ? " (core dumped)" : "");
    case v1::END_CAUSE_TIMED_OUT:
      return absl::StrCat("command timed out", after, " (wall limit)");
    case v1::END_CAUSE_IDLE_TIMED_OUT:
      return "command timed out without output (idle limit)";
    case v1::END_CAUSE_OOM_KILLED:
      return OomReason(end);
    case v1::END_CAUSE_PIDS_LIMIT:
      return "the sandbox's limit of processes refused the command one (--pids)";
    case v1::END_CAUSE_OUTPUT_LIMIT:
      return "command wrote more output than its limit";
    case v1::END_CAUSE_DISK_FULL:
      return "the sandbox's disk is full (--disk)";
    case v1::END_CAUSE_KILLED_BY_CLIENT:
      return end.has_signal()
                 ? absl::StrCat("command ended by a client's ", SignalName(end.signal()))
                 : "command ended after a client's signal";
    case v1::END_CAUSE_SANDBOX_GONE:
      return "the sandbox is gone: it was removed, or its init ended";
    case v1::END_CAUSE_SPAWN_FAILED:
      return SpawnReason(end.spawn_failure());
    default:
      return absl::StrCat("command ended for a reason that this client does not know (",
                          static_cast<int>(end.cause()), "): update glovebox");
  }
}

std::string SignalName(int signal) {
  const char* name = ::sigabbrev_np(signal);
  if (name == nullptr) return absl::StrCat("signal ", signal);
  return absl::StrCat("SIG", name);
}

std::string CauseName(v1::EndCause cause) {
  if (!v1::EndCause_IsValid(cause)) return absl::StrCat("unknown_", static_cast<int>(cause));
  const std::string& name = v1::EndCause_Name(cause);
  return absl::AsciiStrToLower(absl::StripPrefix(name, "END_CAUSE_"));
}

}  // namespace glovebox
