#include "init/exec_end.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/wait.h>

#include "init/cgroup_tree.h"
#include "init/clock.h"
#include "init/exec_input.h"
#include "init/exec_output.h"
#include "init/shell_command.h"

namespace glovebox {
namespace {

constexpr int kDrainReads = 32;  // 2 MiB, then others have their turn

bool ExitedNormally(int status) { return (status & 0x7f) == 0; }

EndCause CauseOf(const Exec& exec) {
  const ExecEnd& end = exec.end;
  if (end.cause != EndCause::kNone) return end.cause;  // init ended it
  if (end.signal > 0 && (exec.client_signals >> (end.signal - 1) & 1) != 0) {
    return EndCause::kKilledByClient;
  }
  EndCause cause = end.signal == 0 ? EndCause::kExited : EndCause::kSignaled;
  return CauseWithLimits(cause, end.exit_code, end.signal, end.limits);
}

uint64_t Microseconds(const timeval& time) {
  return static_cast<uint64_t>(time.tv_sec) * 1000000 + static_cast<uint64_t>(time.tv_usec);
}

void RecordLeader(Exec* exec, int status, const rusage& usage, const LimitWatch& limits) {
  constexpr uint64_t kBlock = 512;  // the kernel counts bytes and divides
  ExecEnd& end = exec->end;
  end.exit_code = ExitedNormally(status) ? (status >> 8 & 0xff) : -1;
  end.signal = ExitedNormally(status) ? 0 : status & 0x7f;
  end.core_dumped = (status & 0x80) != 0 ? 1 : 0;
  end.user_us = Microseconds(usage.ru_utime);
  end.system_us = Microseconds(usage.ru_stime);
  uint64_t peak = static_cast<uint64_t>(usage.ru_maxrss) * 1024;
  end.memory_peak_bytes = peak > exec->peak_inherited ? peak : 0;
  end.read_bytes = static_cast<uint64_t>(usage.ru_inblock) * kBlock;
  end.write_bytes = static_cast<uint64_t>(usage.ru_oublock) * kBlock;
  end.ended_ns = MonotonicNs();
  end.limits = limits.Since(exec->limits_before, exec->shared);
  end.cause = CauseOf(*exec);
}

bool ToldToEnd(EndCause cause) {
  return cause == EndCause::kTimedOut || cause == EndCause::kIdleTimedOut ||
         cause == EndCause::kOutputLimit || cause == EndCause::kKilledByClient;
}

// A command that was told to end does not wait for a reader: what that one has not read may be
// dropped, as a gap, so that the end comes for all others.
void StopHolding(Exec* exec, uint32_t slot, EventSet* events) {
  exec->policy = OutputPolicy::kDropOldest;
  ResumeOutput(exec, slot, events);
}

void EnterKilled(Exec* exec) {
  if (!exec->tree_killed) KillTree(exec);
  exec->phase = ExecPhase::kKilled;
  exec->drain_limit_ns = kKilledDrainNs;
  exec->drain_deadline_ns = MonotonicNs() + kKilledDrainNs;
}

void OnLeaderEnd(Exec* exec, int status, const rusage& usage, bool connected, ExecTable* table,
                 EventSet* events) {
  RecordLeader(exec, status, usage, table->limits());
  exec->end.survivors = CountProcesses(*exec);
  if (exec->keep_survivors && exec->end.survivors > 0) table->NoteKeptSurvivors();
  if (ToldToEnd(exec->end.cause)) StopHolding(exec, table->SlotOf(*exec), events);
  exec->phase = ExecPhase::kDraining;
  exec->wall_deadline_ns = exec->idle_deadline_ns = exec->kill_deadline_ns = 0;
  exec->drain_deadline_ns = exec->end.ended_ns + exec->drain_limit_ns;
  CloseInput(exec, events);
  ReadShell(exec, connected, events);  // a status that came before the end counts
  for (int stream = 0; stream < 2; ++stream) {
    PumpOutput(exec, stream, kDrainReads, connected, events);
  }
  Advance(exec, events);
}

// The leader has ended and was not reaped yet.
bool LeaderEnded(const Exec& exec) {
  pollfd watch{exec.pidfd.get(), POLLIN, 0};
  return raw::Call(__NR_poll, &watch, 1, 0) == 1;
}

// SIGTERM first; the tree after the grace period.
void Expire(Exec* exec, EndCause cause, int64_t now) {
  exec->wall_deadline_ns = exec->idle_deadline_ns = exec->idle_limit_ns = 0;
  if (LeaderEnded(*exec)) return;  // in time, or nobody can say otherwise
  if (exec->end.cause == EndCause::kNone) exec->end.cause = cause;
  if (exec->kill_deadline_ns != 0) return;
  (void)raw::Call(__NR_kill, -exec->pid, SIGTERM);  // an empty group: the kill follows
  (void)raw::Call(__NR_kill, -exec->pid, SIGCONT);  // what is stopped could not heed the first
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
  if (exec->phase == ExecPhase::kKilled && TreeLives(*exec) &&
      MonotonicNs() < exec->end.ended_ns + kTreeGoneNs) {
    // Thousands take their time to die, and hold their pipes until then.
    exec->drain_deadline_ns = MonotonicNs() + kKilledDrainNs;
    return;
  }
  bool held = !OutputClosed(*exec);
  if (held) exec->end.pipe_held = 1;
  bool kill =
      exec->phase == ExecPhase::kDraining && !exec->keep_survivors && held && TreeLives(*exec);
  if (kill) {
    EnterKilled(exec);
  } else {
    FinishExec(exec, events);
  }
}

}  // namespace

void FinishExec(Exec* exec, EventSet* events) {
  if (exec->started) ReadCpuTime(*exec, &exec->end.user_us, &exec->end.system_us);
  if (exec->end.ended_ns == 0) exec->end.ended_ns = MonotonicNs();
  CloseOutput(exec, 0, events);
  CloseOutput(exec, 1, events);
  CloseInput(exec, events);
  exec->pidfd.Reset();
  exec->cgroup.Reset();
  exec->cgroup_kill.Reset();
  CloseShell(exec, events);
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
  if (exec->phase == ExecPhase::kKilled && OutputClosed(*exec) && !TreeLives(*exec)) {
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
    OnLeaderEnd(exec, status, usage, connected, table, events);
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
  consider(exec.shell.deadline_ns);
  if (!exec.output_held) {  // else the daemon is the one to wait for
    consider(exec.idle_deadline_ns);
    consider(exec.drain_deadline_ns);
  } else {
    consider(exec.hold_deadline_ns);
  }
  return next;
}

bool StandsStill(const Exec& exec) {
  bool open = exec.phase == ExecPhase::kRunning || exec.phase == ExecPhase::kDraining;
  return open && !exec.tree_killed;
}

void PostponeDeadlines(Exec* exec, int64_t by_ns) {
  for (int64_t* deadline :
       {&exec->wall_deadline_ns, &exec->idle_deadline_ns, &exec->kill_deadline_ns,
        &exec->drain_deadline_ns, &exec->hold_deadline_ns, &exec->shell.deadline_ns}) {
    if (*deadline != 0) *deadline += by_ns;
  }
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
    if (Passed(exec->shell.deadline_ns, now)) RunShellDeadline(exec, now);
  } else if ((exec->phase == ExecPhase::kDraining || exec->phase == ExecPhase::kKilled) &&
             !exec->output_held && Passed(exec->drain_deadline_ns, now)) {
    OnDrainDeadline(exec, connected, events);
  }
}

namespace {

// To the leader's group, with a terminal to the one that has it. The leader's number is its own
// until init reaps it; a terminal goes on naming its foreground group when that one is gone and
// another has the number, so of that only processes of this tree are meant.
long SignalForeground(const Exec& exec, int signal) {
  int group = 0;
  bool known = exec.terminal && exec.output[0].valid() &&
               raw::Ioctl(exec.output[0].get(), TIOCGPGRP, &group) >= 0 && group > 1;
  if (!known || group == exec.pid) return raw::Call(__NR_kill, -exec.pid, signal);
  return SignalGroup(exec, group, signal) ? 0 : -ESRCH;
}

}  // namespace

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
    result = running ? SignalForeground(*exec, signal) : -ESRCH;
  } else {
    result = running ? raw::PidfdSendSignal(exec->pidfd.get(), signal) : -ESRCH;
  }
  if (running && result >= 0) exec->client_signals |= uint64_t{1} << (signal - 1);
}

}  // namespace glovebox
