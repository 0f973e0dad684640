// One command as init knows it, from kStart to its end; then it is an EndedExec (ended_table.h).
#ifndef GLOVEBOX_INIT_EXEC_H_
#define GLOVEBOX_INIT_EXEC_H_

#include <cstdint>

#include "base/unique_fd.h"
#include "init/exec_region.h"
#include "init/frames.h"
#include "init/limit_watch.h"
#include "init/log_writer.h"
#include "init/region_writer.h"
#include "init/shell_control.h"

namespace glovebox {

enum class ExecPhase : uint8_t {
  kFree,      // the slot is not in use
  kRunning,   // the leader lives
  kDraining,  // the leader has ended; its pipes may still be held
  kKilled,    // the rest of the tree was killed; waiting for it to be gone
  kEnded,     // the end is stored; it leaves the table at the end of this round
};

// Frames that init owes the daemon for one exec. They are made from the exec's state when the
// socket takes them, so nothing is queued.
enum PendingFrame : uint8_t {
  kPendingHeld = 1,
  kPendingStarted = 2,
  kPendingOutput = 4,
  kPendingStdinAck = 8,
  kPendingEnd = 16,
};

struct ExecInput {
  char* buffer = nullptr;  // kStdinWindow bytes, mapped while there is an input
  uint64_t accepted = 0;
  uint64_t written = 0;
  bool eof = false;     // no byte follows `accepted`
  bool closed = false;  // nothing more will be written
};

struct Exec {
  ExecPhase phase = ExecPhase::kFree;
  uint8_t pending = 0;
  bool terminal = false;
  bool tree_killed = false;
  bool keep_survivors = false;
  bool output_held = false;  // back pressure: the pipes are not polled until kResume or a deadline
  bool hold_over = false;    // nobody paced for the hold limit: the oldest gives way
  bool started = false;      // the command's execve succeeded
  OutputPolicy policy = OutputPolicy::kDropOldest;
  uint32_t exec_no = 0;
  int pid = 0;
  UniqueFd pidfd;
  UniqueFd cgroup;       // the exec's own cgroup v2 directory
  UniqueFd cgroup_kill;  // its cgroup.kill
  UniqueFd output[2];    // read ends of stdout and stderr, or the terminal's master and nothing
  UniqueFd input_fd;     // write end of stdin, or the terminal's master once more
  ExecInput input;
  UniqueFd region_fd;  // for the next daemon
  RegionWriter region;
  LogWriter log;
  ShellControl shell;
  uint64_t client_signals = 0;  // bit n-1: the client's signal n was delivered
  LimitReading limits_before;
  bool shared = false;          // others ran at some time of its life
  uint64_t peak_inherited = 0;  // bytes; what the kernel counts as its peak before its execve
  uint64_t output_bytes_max = 0;
  uint64_t hold_gate = 0;  // what was delivered when hold_deadline_ns was set
  int64_t hold_limit_ns = 0;
  int64_t idle_limit_ns = 0;
  int64_t grace_ns = 0;
  int64_t drain_limit_ns = 0;
  // Monotonic nanoseconds, 0: none.
  int64_t wall_deadline_ns = 0;
  int64_t idle_deadline_ns = 0;
  int64_t kill_deadline_ns = 0;
  int64_t drain_deadline_ns = 0;
  int64_t hold_deadline_ns = 0;
  ExecEnd end{};
};

}  // namespace glovebox

#endif  // GLOVEBOX_INIT_EXEC_H_
