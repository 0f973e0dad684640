// One command as a client asks for it, and what became of it. Values; the wire forms are in
// init/exec_region.h and proto/glovebox/v1/exec.proto.
#ifndef GLOVEBOX_EXEC_EXEC_SPEC_H_
#define GLOVEBOX_EXEC_EXEC_SPEC_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "init/exec_region.h"
#include "policy/egress_policy.h"

namespace glovebox {

struct TerminalSize {
  uint16_t rows = 24;
  uint16_t columns = 80;
  friend bool operator==(const TerminalSize&, const TerminalSize&) = default;
};

struct ExecSpec {
  std::vector<std::string> arguments;    // at least one; arguments[0] is searched in PATH
  std::vector<std::string> environment;  // "NAME=value"
  bool replace_environment = false;      // else the variables extend the sandbox's
  std::string working_directory;         // "": the sandbox's
  std::string user;                      // "": the sandbox's; "name", "uid" or "uid:gid"
  std::optional<TerminalSize> terminal;
  bool stdin_open = false;  // else /dev/null (without a terminal)
  OutputPolicy output_policy = OutputPolicy::kDropOldest;
  bool keep_survivors = false;
  uint32_t wall_limit_ms = 0;  // 0: none
  uint32_t idle_limit_ms = 0;
  uint32_t term_grace_ms = 2000;
  uint32_t drain_limit_ms = 200;
  uint64_t output_bytes_max = 0;
  uint32_t hold_limit_ms = 60'000;          // kBackPressure: how long it waits with nobody pacing
  uint64_t head_bytes = 64 * 1024;          // retained from the start, both streams together
  uint64_t ring_bytes = 1024 * 1024;        // from the end of stdout, or of the terminal
  uint64_t stderr_ring_bytes = 256 * 1024;  // from the end of stderr
  uint64_t full_log_bytes = 0;              // 0: no full log on the sandbox's disk
  // A persistent shell: takes commands by RunShellCommand. `arguments` are empty then and are the
  // daemon's own (shell_program.h); not with a terminal.
  bool shell = false;
  // Whether the sandbox's files are looked at before the start and after the end.
  bool track_changes = false;
  // The daemon's own program for files (files/protocol.h) is executed, whatever arguments[0] is.
  // Such an exec is nobody's: it is in no list and in no record, and init forgets it at its end.
  bool files_program = false;
  friend bool operator==(const ExecSpec&, const ExecSpec&) = default;
};

// Checks what the wire form and the kernel cannot hold: INVALID_ARGUMENT with the field and its
// limit.
absl::Status ValidateExecSpec(const ExecSpec& spec);

// The sandbox's limits that an end is explained with.
struct ExecLimitValues {
  uint64_t memory_bytes = 0;
  uint64_t pids_max = 0;
  uint64_t disk_bytes = 0;
  uint64_t disk_inodes = 0;
};

// What the limits did while a command ran. Each is there when it happened, whatever the cause of
// the end. `shared`: other commands, or kept survivors of one, ran at some time of its life, and it
// may have happened to them.
struct OomFacts {
  enum class Victim { kUnknown, kLeader, kDescendant };  // kUnknown: of this or another command
  uint64_t limit_bytes = 0;
  uint64_t peak_bytes = 0;  // of the sandbox so far; 0: the host does not count it
  uint64_t kills = 0;
  Victim victim = Victim::kUnknown;
  std::string program;  // kLeader: arguments[0]
  bool shared = false;
};
struct PidsFacts {
  uint64_t limit = 0;
  uint64_t forks_refused = 0;
  bool shared = false;
};
struct DiskFacts {
  std::string path;       // "/" or "/tmp"
  bool inodes = false;    // what ran out: inodes, else bytes
  uint64_t limit = 0;     // of "/": bytes or inodes; 0: not known
  bool at_start = false;  // it was full before the command
  bool shared = false;
};

// A kind of system call that the sandbox's policy refused, and how often.
struct RefusedCallFacts {
  uint32_t number = 0;
  bool i386 = false;
  int error = 0;  // errno that it got
  uint64_t count = 0;
  uint32_t arguments[3] = {};  // lower halves of the first such call; 0 where none decided
};

// Connections of one kind that the sandbox's egress policy refused, or cut.
struct RefusedConnection {
  std::string host;   // a name or an address, as asked for: printable ASCII
  uint16_t port = 0;  // 0: the name was asked for, and is not known there
  EgressDenial denial = EgressDenial::kNone;
  uint64_t count = 0;
};

// What the files were before the start, as a cursor.
struct ChangesStart {
  std::string cursor;   // "": not looked at
  bool shared = false;  // other commands ran then
};

// Between which two states of the files a command ran. `shared`: other commands, or kept survivors
// of one, ran at some time in between, and the differences may be theirs.
struct ChangeRange {
  std::string from_cursor;
  std::string to_cursor;
  bool shared = false;
};

// How an exec ended. Exactly one per exec, never invented: it comes from init, or it says that init
// is gone.
struct ExecResult {
  enum class Cause {
    kExited,
    kSignaled,
    kTimedOut,
    kIdleTimedOut,
    kOomKilled,
    kOutputLimit,
    kKilledByClient,
    kSandboxGone,
    kSpawnFailed,
    kPidsLimit,
    kDiskFull,
  };
  Cause cause = Cause::kSandboxGone;
  std::optional<int> exit_code;
  std::optional<int> signal;
  bool core_dumped = false;
  std::optional<ExecStep> failed_step;  // kSpawnFailed
  int error = 0;                        // errno of kSpawnFailed
  std::optional<OomFacts> oom;
  std::optional<PidsFacts> pids;
  std::optional<DiskFacts> disk;
  uint32_t survivors = 0;
  bool pipe_held = false;
  uint64_t user_us = 0, system_us = 0, wall_us = 0;
  uint64_t memory_peak_bytes = 0;  // of the largest process; 0: not known
  uint64_t read_bytes = 0, write_bytes = 0;
  uint32_t processes_max = 0;  // with threads; 0: not known
  uint64_t bytes_total[2] = {0, 0};
  uint64_t bytes_dropped[2] = {0, 0};
  uint64_t last_sequence = 0;
  // Of the full log: size of its file, the last record in it, and why it ended before the output
  // did (EFBIG: its limit; ENOSPC: the sandbox's disk was full; 0: it did not).
  uint64_t log_bytes = 0;
  uint64_t log_last_sequence = 0;
  int log_error = 0;
  // errno: what was retained could not be stored after the end, and is gone; 0: it was.
  int output_lost_error = 0;
  std::vector<RefusedCallFacts> refused_calls;         // at most kDenialsMax kinds
  uint64_t refused_calls_uncounted = 0;                // of further kinds
  std::vector<RefusedConnection> refused_connections;  // likewise
  uint64_t refused_connections_uncounted = 0;
  std::optional<ChangeRange> changes;  // when it was asked for and could be found out
};

// "exited 3", "killed by signal 9 (SIGKILL)", "could not start: execve: No such file or directory",
// ...
std::string DescribeResult(const ExecResult& result);

// Stable UPPER_SNAKE_CASE name of a cause and of a step that failed.
const char* CauseName(ExecResult::Cause cause);
const char* ExecStepName(ExecStep step);

}  // namespace glovebox

#endif  // GLOVEBOX_EXEC_EXEC_SPEC_H_
