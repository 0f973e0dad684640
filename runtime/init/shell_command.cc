#include "init/shell_command.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/sockios.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "init/cgroup_tree.h"
#include "init/clock.h"
#include "init/exec_limits.h"
#include "init/exec_output.h"
#include "linux/raw_syscalls.h"

namespace glovebox {
namespace {

constexpr int kDrainRounds = 64;

void UnmapInput(ShellControl* shell) {
  if (shell->input != nullptr) {
    (void)raw::Call(__NR_munmap, shell->input, shell->input_size);
  }
  shell->input = nullptr;
}

// 0 or -errno. The memfd must not be able to shrink under the mapping.
long MapInput(int memfd, uint32_t size, ShellControl* shell) {
  struct stat status;
  long result = raw::Call(__NR_fstat, memfd, &status);
  if (result < 0) return result;
  long seals = raw::Fcntl(memfd, F_GET_SEALS);
  if (seals < 0 || (seals & F_SEAL_SHRINK) == 0) return -EPERM;
  if (!S_ISREG(status.st_mode) || status.st_size != size) return -EINVAL;
  long address = raw::Call(__NR_mmap, nullptr, size, PROT_READ, MAP_PRIVATE, memfd, 0);
  if (address < 0 && address > -4096) return address;
  shell->input = reinterpret_cast<const char*>(address);
  shell->input_size = size;
  shell->input_written = 0;
  return 0;
}

void Poll(const ShellControl& shell, bool wants_room, EventSet* events) {
  uint32_t wanted = wants_room ? uint32_t{EPOLLIN} | uint32_t{EPOLLOUT} : uint32_t{EPOLLIN};
  events->Change(shell.fd.get(), wanted, EventSource::kShell, shell.slot);
}

void WriteShell(ShellControl* shell, EventSet* events) {
  if (shell->input == nullptr || shell->stage != ShellStage::kRunning) return;
  while (shell->input_written < shell->input_size) {
    long size = raw::Call(__NR_sendto, shell->fd.get(), shell->input + shell->input_written,
                          shell->input_size - shell->input_written, MSG_NOSIGNAL | MSG_DONTWAIT,
                          nullptr, 0);
    if (size == -EINTR) continue;
    if (size == -EAGAIN) return Poll(*shell, true, events);
    if (size < 0) break;  // it reads no more: its end is the command's
    shell->input_written += static_cast<uint64_t>(size);
  }
  UnmapInput(shell);
  Poll(*shell, false, events);
}

void BeginEnding(Exec* exec, CommandEndedRecord end) {
  ShellControl& shell = exec->shell;
  end.number = shell.news.number;
  shell.news.end = end;
  shell.stage = ShellStage::kEnding;
  shell.deadline_ns = 0;
  UnmapInput(&shell);
  for (int stream = 0; stream < 2; ++stream) {
    int waiting = 0;
    if (!exec->output[stream].valid() ||
        raw::Ioctl(exec->output[stream].get(), FIONREAD, &waiting) < 0) {
      waiting = 0;
    }
    shell.drain_to[stream] = exec->region.bytes_total(stream) + static_cast<uint64_t>(waiting);
  }
}

void TakeStatus(Exec* exec) {
  ShellControl& shell = exec->shell;
  auto status = static_cast<int32_t>(shell.status);
  shell.status = shell.status_digits = 0;
  if (shell.stage != ShellStage::kRunning) return;  // nothing was asked
  CommandCause cause = shell.timed_out ? CommandCause::kTimedOut : CommandCause::kExited;
  // The shell has seen its foreground end; what else there is has had its SIGTERM.
  if (shell.timed_out && !KillAllButLeader(*exec)) KillTree(exec);
  BeginEnding(exec, {0, cause, status, 0, 0});
}

// False when it is no status.
bool TakeByte(Exec* exec, char byte) {
  ShellControl& shell = exec->shell;
  if (byte == '\n') {
    if (shell.status_digits == 0) return false;
    TakeStatus(exec);
    return true;
  }
  if (byte < '0' || byte > '9' || shell.status_digits == 3) return false;
  shell.status = shell.status * 10 + static_cast<uint32_t>(byte - '0');
  ++shell.status_digits;
  return shell.status <= 255;
}

// Whether the shell has read the whole command. Before that it may be at its start still, where an
// interrupt ends it, or between two commands, where it has none to abandon.
bool HasTakenCommand(const ShellControl& shell) {
  int unread = 0;  // what the other end has not read, in memory that is charged for it
  return shell.input == nullptr &&
         (raw::Ioctl(shell.fd.get(), SIOCOUTQ, &unread) < 0 || unread == 0);
}

// Until all that was in the pipes when the status came was read. False when it is not yet.
bool DrainOutput(Exec* exec, bool connected, EventSet* events) {
  const ShellControl& shell = exec->shell;
  for (int stream = 0; stream < 2; ++stream) {
    for (int i = 0; i < kDrainRounds; ++i) {
      if (!exec->output[stream].valid()) break;
      if (exec->region.bytes_total(stream) >= shell.drain_to[stream]) break;
      PumpOutput(exec, stream, 1, connected, events);
      if (exec->output_held) return false;
    }
    // Else more than that many reads: the pipe is readable, so there is a next round.
    if (exec->output[stream].valid() && exec->region.bytes_total(stream) < shell.drain_to[stream]) {
      return false;
    }
  }
  return true;
}

bool RecordStart(Exec* exec, bool connected, EventSet* events) {
  constexpr OutputStream kStream = OutputStream::kCommandStarted;
  ShellControl& shell = exec->shell;
  CommandStartedRecord record{shell.news.number};
  RegionWriter::Space space = ReserveRecord(exec, kStream, sizeof(record), connected, events);
  if (space.size < sizeof(record)) return false;
  __builtin_memcpy(space.data, &record, sizeof(record));
  shell.news.started_sequence = exec->region.sequence() + 1;
  exec->region.SetShell(shell.news);
  CommitRecord(exec, kStream, space);
  shell.stage = ShellStage::kRunning;
  if (shell.wall_limit_ns > 0) {
    shell.deadline_ns = MonotonicNs() + shell.wall_limit_ns;
    shell.take_by_ns = shell.deadline_ns + shell.grace_ns + kShellAnswerNs;
  }
  WriteShell(&shell, events);
  return true;
}

void RecordEnd(Exec* exec, bool connected, EventSet* events) {
  constexpr OutputStream kStream = OutputStream::kCommandEnded;
  ShellControl& shell = exec->shell;
  constexpr uint32_t kSize = sizeof(shell.news.end);
  RegionWriter::Space space = ReserveRecord(exec, kStream, kSize, connected, events);
  if (space.size < kSize) return;
  __builtin_memcpy(space.data, &shell.news.end, kSize);
  shell.news.running = false;
  shell.news.ended_sequence = exec->region.sequence() + 1;
  // Before the record is seen: who sees it may send the next command at once.
  exec->region.SetShell(shell.news);
  CommitRecord(exec, kStream, space);
  shell.stage = ShellStage::kIdle;
}

}  // namespace

long OpenShell(Exec* exec, uint32_t slot, UniqueFd* theirs, EventSet* events) {
  int ends[2];
  long result =
      raw::Call(__NR_socketpair, AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, static_cast<int*>(ends));
  if (result < 0) return result;
  exec->shell.fd.Reset(ends[0]);
  UniqueFd other(ends[1]);
  // Above all places that descriptors of the child get (exec_child.cc).
  result = raw::Fcntl(other.get(), F_DUPFD_CLOEXEC, kShellControlFd + 1);
  if (result < 0) return result;
  theirs->Reset(static_cast<int>(result));
  exec->shell.slot = slot;
  return events->Add(ends[0], EPOLLIN, EventSource::kShell, slot);
}

bool TakeShellCommand(Exec* exec, const ShellCommandBody& body, int memfd) {
  ShellControl& shell = exec->shell;
  if (!shell.fd.valid()) return false;  // not a shell
  // Of a daemon that had not seen yet what another one had sent: that one's frames are what it
  // gets.
  if (shell.stage != ShellStage::kIdle || body.number != shell.news.number + 1) return true;
  if (MapInput(memfd, body.size, &shell) < 0) return false;
  shell.news = RegionWriter::ShellNews();
  shell.news.running = true;
  shell.news.number = body.number;
  shell.news.fingerprint = body.fingerprint;
  shell.stage = ShellStage::kStarting;
  shell.next_step = ShellLimitStep::kTerminate;
  shell.timed_out = false;
  shell.grace_ns = body.term_grace_ms * kMillisecond;
  shell.wall_limit_ns = body.wall_limit_ms * kMillisecond;
  return true;
}

void ReadShell(Exec* exec, bool connected, EventSet* events) {
  ShellControl& shell = exec->shell;
  while (shell.fd.valid()) {
    char bytes[64];
    // Without room for control messages: descriptors that a hostile shell sends along are closed by
    // the kernel.
    long size = raw::Call(__NR_recvfrom, shell.fd.get(), static_cast<char*>(bytes), sizeof(bytes),
                          MSG_DONTWAIT, nullptr, nullptr);
    if (size == -EINTR) continue;
    if (size == -EAGAIN) break;
    if (size <= 0) {  // nobody has the other end any more: the leader's end is the command's
      events->Remove(shell.fd.get());
      break;
    }
    for (long i = 0; i < size; ++i) {
      if (TakeByte(exec, bytes[i])) continue;
      shell.status = shell.status_digits = 0;
      KillTree(exec);
      return;
    }
  }
  AdvanceShell(exec, connected, events);
}

void OnShellEvent(Exec* exec, uint32_t ready, bool connected, EventSet* events) {
  if (!exec->shell.fd.valid()) return;  // the slot changed hands in this round
  if ((ready & EPOLLOUT) != 0) WriteShell(&exec->shell, events);
  ReadShell(exec, connected, events);
}

void AdvanceShell(Exec* exec, bool connected, EventSet* events) {
  if (exec->output_held) return;
  if (exec->shell.stage == ShellStage::kStarting && !RecordStart(exec, connected, events)) return;
  if (exec->shell.stage != ShellStage::kEnding) return;
  if (DrainOutput(exec, connected, events)) RecordEnd(exec, connected, events);
}

void RunShellDeadline(Exec* exec, int64_t now) {
  ShellControl& shell = exec->shell;
  ShellLimitStep step = shell.next_step;
  if (step == ShellLimitStep::kTerminate && shell.grace_ns == 0) step = ShellLimitStep::kKill;
  if (!HasTakenCommand(shell)) {
    if (now < shell.take_by_ns) {
      shell.deadline_ns = now + kShellTakesNs;
      return;
    }
    step = ShellLimitStep::kGiveUp;
  }
  shell.timed_out = true;
  // The shell first: when its child is gone it must not go on with what follows.
  if (step != ShellLimitStep::kGiveUp) {
    (void)raw::PidfdSendSignal(exec->pidfd.get(), SIGINT);
    (void)raw::PidfdSendSignal(exec->pidfd.get(), SIGCONT);
  }
  switch (step) {
    case ShellLimitStep::kTerminate:
      SignalAllButLeader(*exec, SIGTERM);
      SignalAllButLeader(*exec, SIGCONT);  // what is stopped could not heed the first
      shell.next_step = ShellLimitStep::kKill;
      shell.deadline_ns = now + shell.grace_ns;
      return;
    case ShellLimitStep::kKill:
      shell.next_step = ShellLimitStep::kGiveUp;
      shell.deadline_ns = now + kShellAnswerNs;
      if (KillAllButLeader(*exec)) return;
      break;
    case ShellLimitStep::kGiveUp:
      break;
  }
  shell.deadline_ns = 0;
  if (exec->end.cause == EndCause::kNone) exec->end.cause = EndCause::kTimedOut;
  KillTree(exec);
}

void CloseShell(Exec* exec, EventSet* events) {
  ShellControl& shell = exec->shell;
  if (!shell.fd.valid()) return;
  if (shell.stage == ShellStage::kStarting || shell.stage == ShellStage::kRunning) {
    bool started = shell.stage == ShellStage::kRunning;
    CommandCause cause = shell.timed_out ? CommandCause::kTimedOut : CommandCause::kShellEnded;
    BeginEnding(exec, {0, cause, exec->end.exit_code, exec->end.signal, 1});
    if (!started) {  // no byte of it reached the shell: there was no command
      shell.stage = ShellStage::kIdle;
    }
  } else if (shell.stage == ShellStage::kEnding) {
    shell.news.end.shell_ended = 1;
  }
  exec->policy = OutputPolicy::kDropOldest;  // nothing follows that would wait for room
  if (shell.stage == ShellStage::kEnding) RecordEnd(exec, false, events);
  events->Remove(shell.fd.get());
  shell.fd.Reset();
}

}  // namespace glovebox
