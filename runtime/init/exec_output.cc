#include "init/exec_output.h"

#include <errno.h>
#include <sys/ioctl.h>

#include "init/cgroup_tree.h"
#include "init/clock.h"

namespace glovebox {
namespace {

EventSource SourceOf(int stream) {
  return stream == 0 ? EventSource::kStdout : EventSource::kStderr;
}

OutputStream StreamOf(const Exec& exec, int stream) {
  if (exec.terminal) return OutputStream::kTerminal;
  return stream == 0 ? OutputStream::kStdout : OutputStream::kStderr;
}

void HoldOutput(Exec* exec, EventSet* events) {
  exec->output_held = true;
  for (int i = 0; i < 2; ++i) {
    // Out of the set: with an empty mask epoll would still report a hang-up without end.
    if (exec->output[i].valid()) events->Remove(exec->output[i].get());
  }
}

// Whether undelivered output is to be kept at the price of the command's time. With somebody who
// paces for as long as it takes; with nobody for the hold limit, counted from when the command
// began to wait and anew when something was delivered.
bool MustHold(Exec* exec, bool connected) {
  if (exec->policy != OutputPolicy::kBackPressure) return false;
  if (connected && exec->region.gate_armed()) {
    exec->hold_over = false;
    exec->hold_deadline_ns = 0;
    return true;
  }
  return !exec->hold_over && exec->hold_limit_ns > 0;
}

void BeginHold(Exec* exec, bool connected, EventSet* events) {
  HoldOutput(exec, events);
  if (connected && exec->region.gate_armed()) return;
  uint64_t gate = exec->region.gate_sequence();
  if (exec->hold_deadline_ns != 0 && exec->hold_gate == gate) return;
  exec->hold_gate = gate;
  exec->hold_deadline_ns = MonotonicNs() + exec->hold_limit_ns;
}

// Room for what waits in the pipe; announces the wait before it looks once more, so that a gate
// that moves in between is seen by one side or the other.
RegionWriter::Space ReserveOrHold(Exec* exec, OutputStream stream, uint32_t waiting, bool connected,
                                  EventSet* events) {
  bool hold = MustHold(exec, connected);
  RegionWriter::Space space = exec->region.Reserve(stream, waiting, hold);
  if (space.size > 0 || !hold) return space;
  exec->region.SetWriterWaiting(true);
  space = exec->region.Reserve(stream, waiting, MustHold(exec, connected));
  if (space.size > 0) {
    exec->region.SetWriterWaiting(false);
  } else {
    BeginHold(exec, connected, events);
  }
  return space;
}

void CheckOutputLimit(Exec* exec) {
  if (exec->output_bytes_max == 0 || exec->tree_killed) return;
  if (exec->region.bytes_total(0) + exec->region.bytes_total(1) <= exec->output_bytes_max) return;
  // Also when the leader ended by itself before its last output was read: which of the two is seen
  // first must not decide.
  EndCause& cause = exec->end.cause;
  if (cause == EndCause::kNone || cause == EndCause::kExited || cause == EndCause::kSignaled) {
    cause = EndCause::kOutputLimit;
  }
  KillTree(exec);
}

}  // namespace

void PumpOutput(Exec* exec, int stream, int reads_max, bool connected, EventSet* events) {
  for (int i = 0; i < reads_max && exec->output[stream].valid() && !exec->output_held; ++i) {
    int fd = exec->output[stream].get();
    int waiting = 0;
    if (raw::Ioctl(fd, FIONREAD, &waiting) < 0 || waiting <= 0) waiting = 4096;
    RegionWriter::Space space = ReserveOrHold(exec, StreamOf(*exec, stream),
                                              static_cast<uint32_t>(waiting), connected, events);
    if (space.size == 0) return;
    long size = raw::Read(fd, space.data, space.size);
    if (size == -EINTR) continue;
    if (size == -EAGAIN) return;
    if (size <= 0) {  // 0: every writer is gone; EIO: the same of a terminal
      CloseOutput(exec, stream, events);
      return;
    }
    int64_t now = MonotonicNs();
    RecordHeader record =
        exec->region.Commit(StreamOf(*exec, stream), static_cast<uint32_t>(size), now);
    exec->log.Append(record, space.data);
    exec->region.SetKeptElsewhere(exec->log.last_sequence());
    if (exec->idle_limit_ns > 0) exec->idle_deadline_ns = now + exec->idle_limit_ns;
    if (exec->region.TakeReaderWaiting()) exec->pending |= kPendingOutput;
    CheckOutputLimit(exec);
  }
}

RegionWriter::Space ReserveRecord(Exec* exec, OutputStream stream, uint32_t size, bool connected,
                                  EventSet* events) {
  return ReserveOrHold(exec, stream, size, connected, events);
}

void CommitRecord(Exec* exec, OutputStream stream, RegionWriter::Space space) {
  int64_t now = MonotonicNs();
  RecordHeader record = exec->region.Commit(stream, space.size, now);
  exec->log.Append(record, space.data);
  exec->region.SetKeptElsewhere(exec->log.last_sequence());
  if (exec->idle_limit_ns > 0) exec->idle_deadline_ns = now + exec->idle_limit_ns;
  if (exec->region.TakeReaderWaiting()) exec->pending |= kPendingOutput;
}

void ResumeOutput(Exec* exec, uint32_t slot, EventSet* events) {
  if (!exec->output_held) return;
  exec->output_held = false;
  exec->region.SetWriterWaiting(false);
  int64_t now = MonotonicNs();  // limits do not count while the daemon is the one to wait for
  if (exec->idle_limit_ns > 0) exec->idle_deadline_ns = now + exec->idle_limit_ns;
  if (exec->drain_deadline_ns > 0) exec->drain_deadline_ns = now + exec->drain_limit_ns;
  for (int i = 0; i < 2; ++i) {
    if (!exec->output[i].valid()) continue;
    // Without memory for the entry the stream would hang: better its end.
    if (events->Add(exec->output[i].get(), EPOLLIN, SourceOf(i), slot) < 0) {
      CloseOutput(exec, i, events);
    }
  }
}

void EndHold(Exec* exec, uint32_t slot, int64_t now, EventSet* events) {
  if (!exec->output_held || exec->hold_deadline_ns == 0 || exec->hold_deadline_ns > now) return;
  exec->hold_deadline_ns = 0;
  exec->hold_over = true;
  ResumeOutput(exec, slot, events);
}

void CloseOutput(Exec* exec, int stream, EventSet* events) {
  if (!exec->output[stream].valid()) return;
  events->Remove(exec->output[stream].get());
  exec->output[stream].Reset();
}

}  // namespace glovebox
