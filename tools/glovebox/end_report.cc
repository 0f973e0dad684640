#include "tools/glovebox/end_report.h"

#include <csignal>
#include <cstring>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "base/escape.h"
#include "tools/glovebox/denial_words.h"
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
      text = "the command's interpreter (#! line or dynamic loader) cannot be executed";
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

// How the leader ended beside what was the cause: "; it exited with 1".
std::string LeaderText(const v1::End& end) {
  if (end.has_exit_code()) return absl::StrCat("; it exited with ", end.exit_code());
  if (end.has_signal()) return absl::StrCat("; it ended by ", SignalName(end.signal()));
  return "";
}

constexpr char kSharedText[] = " (perhaps another command's: several ran in the sandbox)";

std::string VictimText(const v1::Oom& oom) {
  switch (static_cast<int>(oom.victim_kind())) {
    case v1::OOM_VICTIM_LEADER:
      return oom.victim().empty()
                 ? "the command"
                 : absl::StrCat("the command, ", EscapeForPeople(oom.victim(), 64));
    case v1::OOM_VICTIM_DESCENDANT:
      return oom.kills() > 1 ? absl::StrCat(oom.kills(), " processes of the command")
                             : "a process of the command";
    default:
      return "a process in the sandbox";
  }
}

std::string OomReason(const v1::End& end) {
  const v1::Oom& oom = end.oom();
  std::string text = "out of memory";
  if (!end.has_oom()) return text;
  absl::StrAppend(&text, ": the kernel killed ", VictimText(oom));
  if (oom.limit_bytes() != 0) absl::StrAppend(&text, ", limit ", FormatSize(oom.limit_bytes()));
  if (oom.has_peak_bytes()) absl::StrAppend(&text, ", peak ", FormatSize(oom.peak_bytes()));
  if (oom.victim_kind() != v1::OOM_VICTIM_LEADER) absl::StrAppend(&text, LeaderText(end));
  if (oom.shared()) absl::StrAppend(&text, kSharedText);
  return absl::StrCat(text, "; give the sandbox more (--memory)");
}

std::string PidsReason(const v1::End& end) {
  const v1::PidsLimit& pids = end.pids_limit();
  if (!end.has_pids_limit()) {
    return "the sandbox's limit of processes refused the command one (--pids)";
  }
  return absl::StrCat("the sandbox's limit of ", pids.limit(), " processes refused ",
                      pids.refused(), LeaderText(end), pids.shared() ? kSharedText : "",
                      "; start fewer at once, or give it more (--pids)");
}

std::string DiskReason(const v1::End& end) {
  const v1::DiskFull& disk = end.disk_full();
  if (!end.has_disk_full()) return "the sandbox's disk is full (--disk)";
  const bool inodes = disk.resource() == v1::DISK_RESOURCE_INODES;
  std::string text = disk.path() == "/" ? "the sandbox's disk" : EscapeForPeople(disk.path(), 64);
  absl::StrAppend(&text, inodes ? " has no inode left" : " is full");
  if (disk.has_limit()) {
    absl::StrAppend(&text, ", limit ",
                    inodes ? absl::StrCat(disk.limit()) : FormatSize(disk.limit()));
  }
  absl::StrAppend(&text, LeaderText(end), disk.shared() ? kSharedText : "");
  if (disk.path() != "/") return absl::StrCat(text, "; remove files there, or write elsewhere");
  return absl::StrCat(text, "; remove files, or give it more (", inodes ? "--inodes" : "--disk",
                      ")");
}

// The first kind, and how many others: all of them are in the JSON of exec-status.
std::string DenialReason(const v1::End& end) {
  const v1::Denial& denial = end.denials(0);
  const std::string connection =
      DenialWords(denial.reason(), !absl::StrContains(denial.target(), ':'));
  const char* name =
      denial.error_number() == 0 ? nullptr : ::strerrorname_np(denial.error_number());
  std::string text =
      absl::StrCat("the sandbox refused ", connection.empty() ? "" : "a connection to ",
                   EscapeForPeople(denial.target(), 80));
  if (name != nullptr) absl::StrAppend(&text, " (", name, ")");
  if (!connection.empty()) absl::StrAppend(&text, " (", connection, ")");
  if (denial.count() > 1) absl::StrAppend(&text, " ", denial.count(), " times");
  if (!denial.rule().empty()) absl::StrAppend(&text, ": ", EscapeForPeople(denial.rule(), 200));
  if (!denial.remedy().empty()) absl::StrAppend(&text, "; ", EscapeForPeople(denial.remedy(), 200));
  if (end.denials_size() > 1) {
    absl::StrAppend(&text, " (and ", end.denials_size() - 1, " more: glovebox exec-status --json)");
  }
  return text;
}

// Of a command that failed by its own word, while a limit was met that may have been the reason.
std::optional<std::string> SuspectedReason(const v1::End& end) {
  if (end.cause() == v1::END_CAUSE_EXITED && end.exit_code() == 0) return std::nullopt;
  if (end.has_oom()) return OomReason(end);
  if (end.has_pids_limit()) return PidsReason(end);
  if (end.has_disk_full()) return DiskReason(end);
  if (end.denials_size() > 0) return DenialReason(end);
  return std::nullopt;
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
      return SuspectedReason(end);
    case v1::END_CAUSE_SIGNALED:
      return absl::StrCat(
          "command ended by ", SignalName(end.signal()), end.core_dumped() ? " (core dumped)" : "",
          SuspectedReason(end).has_value() ? "; " : "", SuspectedReason(end).value_or(""));
    case v1::END_CAUSE_TIMED_OUT:
      return absl::StrCat("command timed out", after, " (wall limit)", LeaderText(end));
    case v1::END_CAUSE_IDLE_TIMED_OUT:
      return absl::StrCat("command timed out without output (idle limit)", LeaderText(end));
    case v1::END_CAUSE_OOM_KILLED:
      return OomReason(end);
    case v1::END_CAUSE_PIDS_LIMIT:
      return PidsReason(end);
    case v1::END_CAUSE_OUTPUT_LIMIT:
      return absl::StrCat("command wrote more output than its limit", LeaderText(end),
                          "; write less, or to a file");
    case v1::END_CAUSE_DISK_FULL:
      return DiskReason(end);
    case v1::END_CAUSE_KILLED_BY_CLIENT:
      return end.has_signal()
                 ? absl::StrCat("command ended by a client's ", SignalName(end.signal()))
                 : "command ended after a client's signal";
    case v1::END_CAUSE_SANDBOX_GONE:
      return "the sandbox is gone: it was removed, or its init ended; how the command would have "
             "ended is not known";
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
