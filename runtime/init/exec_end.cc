#include "init/exec_end.h"

#include <errno.h>
#include <signal.h>
#include <sys/wait.h>

#include "init/cgroup_tree.h"
#include "init/clock.h"
#include "init/exec_input.h"
#include "init/exec_output.h"

namespace glovebox {
namespace {

constexpr int kDrainReads = 32;  // 2 MiB, then others have their turn

bool ExitedNormally(int status) { return (status & 0x7f) == 0; }

EndCause CauseOf(const Exec& exec, int status) {
  if (exec.end.cause != EndCause::kNone) return exec.end.cause;  // a limit was the cause
  if (ExitedNormally(status)) return EndCause::kExited;
  bool by_client = (exec.client_signals >> (status & 0x7f) & 1) != 0;
  return by_client ? EndCause::kKilledByClient : EndCause::kSignaled;
}

uint64_t Microseconds(const timeval& time) {
  return static_cast<uint64_t>(time.tv_sec) * 1000000 + static_cast<uint64_t>(time.tv_usec);
}

void RecordLeader(Exec* exec, int status, const rusage& usage) {
  ExecEnd& end = exec->end;
  end.cause = CauseOf(*exec, status);
  end.exit_code = ExitedNormally(status) ? (status >> 8 & 0xff) : -1;
  end.signal = ExitedNormally(status) ? 0 : status & 0x7f;
  end.core_dumped = (status & 0x80) != 0 ? 1 : 0;
  end.user_us = Microseconds(usage.ru_utime);
  end.system_us = Microseconds(usage.ru_stime);
  end.memory_peak_bytes = static_cast<uint64_t>(usage.ru_maxrss) * 1024;
  end.ended_ns = MonotonicNs();
}

void EnterKilled(Exec* exec) {
  if (!exec->tree_killed) KillTree(exec);
  exec->phase = ExecPhase::kKilled;
  exec->drain_limit_ns = kKilledDrainNs;
  exec->drain_deadline_ns = MonotonicNs() + kKilledDrainNs;
}

void OnLeaderEnd(Exec* exec, int status, const rusage& usage, bool connected, EventSet* events) {
  RecordLeader(exec, status, usage);
  exec->end.survivors = CountProcesses(*exec);
  exec->phase = ExecPhase::kDraining;
  exec->wall_deadline_ns = exec->idle_deadline_ns = exec->kill_deadline_ns = 0;
  exec->drain_deadline_ns = exec->end.ended_ns + exec->drain_limit_ns;
  CloseInput(exec, events);
  for (int stream = 0; stream < 2; ++stream) {
    PumpOutput(exec, stream, kDrainReads, connected, events);
  }
  Advance(exec, events);
}

// SIGTERM first; the tree after the grace period.
void Expire(Exec* exec, EndCause cause, int64_t now) {
  if (exec->end.cause == EndCause::kNone) exec->end.cause = cause;
  exec->wall_deadline_ns = exec->idle_deadline_ns = exec->idle_limit_ns = 0;
  if (exec->kill_deadline_ns != 0) return;
  (void)raw::Call(__NR_kill, -exec->pid, SIGTERM);  // an empty group: the kill follows
  exec->kill_deadline_ns = now + exec->grace_ns;
  if (exec->grace_ns == 0) exec->kill_deadline_ns = now;
}

bool Passed(int64_t deadline, int64_t now) { return deadline != 0 && deadline <= now; }

// The drain is over although somebody still holds a pipe.
void OnDrainDeadline(Exec* exec, bool connected, EventSet* events) {
  for (int stream = 0; stream < 2; ++stream) {
    PumpOutput(exec, stream, kDrainReads, connected, events);
  }
  if (exec->output_held) return;  // the daemon is the one to wait for
  bool held = !OutputClosed(*exec);
  if (held) exec->end.pipe_held = 1;
  bool kill = exec->phase == ExecPhase::kDraining && !exec->keep_survivors && held &&
              CountProcesses(*exec) > 0;
  if (kill) {
    EnterKilled(exec);
  } else {
    FinishExec(exec, events);
  }
}

}  // namespace

void FinishExec(Exec* exec, EventSet* events) {
  CloseOutput(exec, 0, events);
  CloseOutput(exec, 1, events);
  CloseInput(exec, events);
  exec->pidfd.Reset();
  exec->cgroup.Reset();
  exec->cgroup_kill.Reset();
  if (exec->end.ended_ns == 0) exec->end.ended_ns = MonotonicNs();
  exec->log.Finish(&exec->end);
  exec->region.Finish(&exec->end);
  exec->region.Unmap();
  exec->phase = ExecPhase::kEnded;
  exec->output_held = false;
  exec->pending = static_cast<uint8_t>(kPendingEnd | (exec->pending & ~kPendingOutput));
}

void Advance(Exec* exec, EventSet* events) {
  if (exec->phase == ExecPhase::kDraining && OutputClosed(*exec)) {
    bool rest = exec->end.survivors > 0 && !exec->keep_survivors;
    if (!rest) return FinishExec(exec, events);
    EnterKilled(exec);
  } else if (exec->phase == ExecPhase::kDraining && exec->tree_killed) {
    EnterKilled(exec);
  }
  if (exec->phase == ExecPhase::kKilled && OutputClosed(*exec) && CountProcesses(*exec) == 0) {
    FinishExec(exec, events);
  }
}

void ReapChildren(ExecTable* table, bool connected, EventSet* events) {
  bool reaped = false;
  for (;;) {
    int status = 0;
    rusage usage{};
    long pid = raw::Call(__NR_wait4, -1, &status, WNOHANG | __WALL, &usage);
    if (pid <= 0) break;
    reaped = true;
    Exec* exec = table->FindLeader(static_cast<int>(pid));
    if (exec == nullptr) continue;  // an orphan
    OnLeaderEnd(exec, status, usage, connected, events);
  }
  if (!reaped) return;
  for (uint32_t i = 0; i < table->end(); ++i) {
    if (table->at(i).phase == ExecPhase::kKilled) Advance(&table->at(i), events);
  }
}

int64_t NextDeadline(const Exec& exec) {
  int64_t next = 0;
  auto consider = [&next](int64_t deadline) {
    if (deadline != 0 && (next == 0 || deadline < next)) next = deadline;
  };
  if (exec.phase == ExecPhase::kFree || exec.phase == ExecPhase::kEnded) return 0;
  consider(exec.wall_deadline_ns);
  consider(exec.kill_deadline_ns);
  if (!exec.output_held) {  // else the daemon is the one to wait for
    consider(exec.idle_deadline_ns);
    consider(exec.drain_deadline_ns);
  } else {
    consider(exec.hold_deadline_ns);
  }
  return next;
}

void RunDeadlines(Exec* exec, int64_t now, bool connected, EventSet* events) {
  if (exec->phase == ExecPhase::kRunning) {
    if (Passed(exec->wall_deadline_ns, now)) Expire(exec, EndCause::kTimedOut, now);
    if (!exec->output_held && Passed(exec->idle_deadline_ns, now)) {
      Expire(exec, EndCause::kIdleTimedOut, now);
    }
    if (Passed(exec->kill_deadline_ns, now)) {
      exec->kill_deadline_ns = 0;
      KillTree(exec);
    }
  } else if ((exec->phase == ExecPhase::kDraining || exec->phase == ExecPhase::kKilled) &&
             !exec->output_held && Passed(exec->drain_deadline_ns, now)) {
    OnDrainDeadline(exec, connected, events);
  }
}

void SignalExec(Exec* exec, const SignalBody& body) {
  bool running = exec->phase == ExecPhase::kRunning;
  if (exec->phase == ExecPhase::kFree || exec->phase == ExecPhase::kEnded) return;
  auto signal = static_cast<int>(body.signal);
  long result = 0;
  if (body.scope == SignalScope::kTree) {
    if (signal == SIGKILL) {
      KillTree(exec);
    } else {
      SignalTree(*exec, signal);
    }
  } else if (body.scope == SignalScope::kGroup) {
    // Without its leader the group's number may be another group's by now.
    result = running ? raw::Call(__NR_kill, -exec->pid, signal) : -ESRCH;
  } else {
    result = running ? raw::PidfdSendSignal(exec->pidfd.get(), signal) : -ESRCH;
  }
  if (running && result >= 0 && (signal == SIGKILL || signal == SIGTERM)) {
    exec->client_signals |= uint64_t{1} << signal;
  }
}

}  // namespace glovebox
