#include "init/server.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/signalfd.h>

#include "init/clock.h"
#include "init/exec_end.h"
#include "init/exec_input.h"
#include "init/exec_output.h"
#include "init/exec_start.h"
#include "init/launch_plan.h"
#include "init/report.h"
#include "init/shell_command.h"
#include "linux/bare_text.h"

namespace glovebox {
namespace {

constexpr int kEventsAtOnce = 32;
constexpr int kFramesAtOnce = 16;  // then the commands have their turn
// More than a dead daemon's socket can still hold.
constexpr int kFramesLeftMax = 8192;
constexpr int kReadsAtOnce = 4;

template <typename Body>
bool ReadBody(const ReceivedFrame& frame, Body* body) {
  if (frame.header.body_size != sizeof(Body)) return false;
  __builtin_memcpy(body, frame.body, sizeof(Body));
  return true;
}

bool CarriesItsDescriptors(const ReceivedFrame& frame) {
  if (frame.header.kind == FrameKind::kStart) return frame.fd_count >= kStartFdsMin;
  if (frame.header.kind == FrameKind::kStartProgram) return frame.fd_count == kStartFdsMin + 1;
  if (frame.header.kind == FrameKind::kHello && frame.fd_count == kCounterFds) return true;
  return frame.fd_count == (frame.header.kind == FrameKind::kShellCommand ? 1 : 0);
}

}  // namespace

void Server::Listen() {
  constexpr SetupStep kStep = SetupStep::kListen;
  Require(events_.Create(), kStep, "epoll_create1");
  Require(refusals_.Open(), kStep, "socketpair");
  uint64_t mask = uint64_t{1} << (SIGCHLD - 1);
  Require(raw::Call(__NR_rt_sigprocmask, SIG_SETMASK, &mask, nullptr, sizeof(mask)), kStep,
          "sigprocmask");
  signals_.Reset(static_cast<int>(
      Require(raw::Call(__NR_signalfd4, -1, &mask, sizeof(mask), SFD_CLOEXEC | SFD_NONBLOCK), kStep,
              "signalfd")));
  long flags = Require(raw::Fcntl(kInitListenFd, F_GETFL), kStep, "listening socket");
  Require(raw::Fcntl(kInitListenFd, F_SETFL, flags | O_NONBLOCK), kStep, "listening socket");
  Require(raw::Fcntl(kInitListenFd, F_SETFD, FD_CLOEXEC), kStep, "listening socket");
  Require(events_.Add(signals_.get(), EPOLLIN, EventSource::kSignals), kStep, "epoll_ctl");
  Require(events_.Add(kInitListenFd, EPOLLIN, EventSource::kListen), kStep, "epoll_ctl");
}

void Server::Run(const PlanReader& plan) {
  for (;;) {
    epoll_event ready[kEventsAtOnce];
    RetireEnded();
    AdvanceShells();
    FlushFrames();
    long count = events_.Wait(ready, kEventsAtOnce, RunDeadlinesAndTimeout());
    for (long i = 0; i < count; ++i) Handle(plan, ready[i]);
  }
}

void Server::Handle(const PlanReader& plan, const epoll_event& event) {
  uint32_t slot = EventSet::SlotOf(event);
  EventSource source = EventSet::SourceOf(event);
  switch (source) {
    case EventSource::kListen:
      AcceptConnection(plan);
      return;
    case EventSource::kConnection:
      if (connection_.connected()) ReceiveFrames(plan, kFramesAtOnce);
      return;
    case EventSource::kSignals: {
      signalfd_siginfo info[8];
      (void)raw::Read(signals_.get(), info, sizeof(info));  // only says that there is something
      ReapChildren(&table_, connection_.connected(), &events_);
      return;
    }
    case EventSource::kStdout:
    case EventSource::kStderr: {
      Exec& exec = table_.at(slot);
      int stream = source == EventSource::kStdout ? 0 : 1;
      // A slot that changed hands in this round has nothing to read, or something worth reading.
      PumpOutput(&exec, stream, kReadsAtOnce, connection_.connected(), &events_);
      Advance(&exec, &events_);
      return;
    }
    case EventSource::kStdin: {
      Exec& exec = table_.at(slot);
      if (exec.terminal && (event.events & EPOLLHUP) != 0) {
        // Nobody has the terminal open now. Somebody may again, but epoll would report this
        // without end meanwhile.
        events_.Remove(exec.input_fd.get());
      } else if ((event.events & EPOLLERR) != 0 && !exec.terminal) {
        CloseInput(&exec, &events_);  // the command closed its end
        exec.pending |= kPendingStdinAck;
        return;
      }
      WriteInput(&exec, slot, &events_);
      return;
    }
    case EventSource::kRefusal:
      refusals_.Handle(plan, slot, event.events, &table_);
      return;
    case EventSource::kShell:
      OnShellEvent(&table_.at(slot), event.events, connection_.connected(), &events_);
      return;
  }
}

void Server::AdvanceShells() {
  for (uint32_t i = 0; i < table_.end(); ++i) {
    Exec& exec = table_.at(i);
    if (exec.shell.fd.valid()) AdvanceShell(&exec, connection_.connected(), &events_);
  }
}

void Server::AcceptConnection(const PlanReader& plan) {
  // What the old daemon had sent before it died: its clients may have been told that it was done.
  if (connection_.connected()) ReceiveFrames(plan, kFramesLeftMax);
  bool had = connection_.connected();
  int old_fd = connection_.fd();
  if (had) events_.Remove(old_fd);
  bool accepted = connection_.Accept(kInitListenFd);
  if (!accepted && !had) return;
  polls_output_ = false;
  if (accepted) {
    version_ = 0;
    hello_owed_ = held_all_owed_ = paused_owed_ = false;
    sockets_.Forget();
    ResumeAll();
  }
  if (events_.Add(connection_.fd(), EPOLLIN, EventSource::kConnection) < 0) DropConnection();
}

void Server::DropConnection() {
  connection_.Drop();
  version_ = 0;
  hello_owed_ = held_all_owed_ = paused_owed_ = polls_output_ = false;
  sockets_.Forget();
  ResumeAll();
}

void Server::ResumeAll() {
  for (uint32_t i = 0; i < table_.end(); ++i) {
    Exec& exec = table_.at(i);
    if (exec.region.mapped()) exec.region.DisarmGate();  // who paced was a reader of that daemon
    ResumeOutput(&exec, i, &events_);
  }
}

void Server::ReceiveFrames(const PlanReader& plan, int frames_max) {
  for (int i = 0; i < frames_max && connection_.connected(); ++i) {
    switch (connection_.Receive(&frame_)) {
      case ReceiveResult::kNothing:
        return;
      case ReceiveResult::kBroken:
        DropConnection();
        return;
      case ReceiveResult::kFrame:
        if (!HandleFrame(plan)) DropConnection();
        break;
    }
  }
}

// False for a frame that does not fit its kind.
bool Server::HandleFrame(const PlanReader& plan) {
  Exec* exec = table_.Find(frame_.header.exec_no);
  if (!CarriesItsDescriptors(frame_)) return false;
  if (version_ == 0 && frame_.header.kind != FrameKind::kHello) return false;
  switch (frame_.header.kind) {
    case FrameKind::kHello:
      return HandleHello();
    case FrameKind::kStart:
    case FrameKind::kStartProgram:
      return HandleStart(plan);
    case FrameKind::kStdin:
      return HandleStdin(exec);
    case FrameKind::kSignal:
      return HandleSignal(exec);
    case FrameKind::kResize:
      return HandleResize(exec);
    case FrameKind::kResume:
      if (exec != nullptr) ResumeOutput(exec, table_.SlotOf(*exec), &events_);
      return frame_.header.body_size == 0;
    case FrameKind::kAckEnd:
      HandleAckEnd();
      return frame_.header.body_size == 0;
    case FrameKind::kShellCommand:
      return HandleShellCommand(exec);
    case FrameKind::kPause:
      return HandlePause();
    case FrameKind::kContinue:
      return HandleContinue();
    case FrameKind::kOpenSocket:
      return HandleOpenSocket();
    case FrameKind::kHelloAck:
    case FrameKind::kStarted:
    case FrameKind::kOutput:
    case FrameKind::kStdinAck:
    case FrameKind::kEnd:
    case FrameKind::kRefused:
    case FrameKind::kHeld:
    case FrameKind::kHeldAll:
    case FrameKind::kPaused:
    case FrameKind::kSocket:
      return false;  // ours to send
  }
  return false;
}

bool Server::HandleHello() {
  HelloBody body;
  if (!ReadBody(frame_, &body) || body.version < kFramesVersionOldest) return false;
  version_ = body.version < kFramesVersion ? body.version : kFramesVersion;
  if (frame_.fd_count == kCounterFds) table_.limits().Take(frame_.fds);
  hello_owed_ = held_all_owed_ = ended_owed_ = true;
  // What an earlier daemon was told may have died with it.
  for (uint32_t i = 0; i < table_.end(); ++i) {
    Exec& exec = table_.at(i);
    if (exec.phase == ExecPhase::kFree) continue;
    exec.pending |= kPendingHeld;
    if (exec.started) exec.pending |= kPendingStarted;
    if (exec.input.accepted > 0 || exec.input.closed) exec.pending |= kPendingStdinAck;
  }
  for (uint32_t i = 0; i < ended_.end(); ++i) {
    EndedExec& ended = ended_.at(i);
    if (ended.exec_no == 0) continue;
    ended.pending |= kPendingHeld | kPendingStdinAck | kPendingEnd;
    if (ended.started) ended.pending |= kPendingStarted;
  }
  return true;
}

StartRefusal Server::TakeStart(const PlanReader& plan) {
  uint32_t exec_no = frame_.header.exec_no;
  if (ended_.Find(exec_no) != nullptr) return {EEXIST, "exec_no is in use"};
  if (table_.open() + ended_.count() >= kExecsHeldMax) {
    return {EAGAIN, "too many ends are not acknowledged"};
  }
  bool program = frame_.header.kind == FrameKind::kStartProgram;
  StartDescriptors descriptors{static_cast<UniqueFd&&>(frame_.fds[0]),
                               static_cast<UniqueFd&&>(frame_.fds[1]),
                               static_cast<UniqueFd&&>(frame_.fds[2]),
                               {},
                               {}};
  (program ? descriptors.program : descriptors.log) = static_cast<UniqueFd&&>(frame_.fds[3]);
  return StartExec(plan, exec_no, static_cast<StartDescriptors&&>(descriptors), &table_, &refusals_,
                   &events_);
}

bool Server::HandleStart(const PlanReader& plan) {
  if (frame_.header.body_size != 0) return false;
  StartRefusal refusal = TakeStart(plan);
  if (refusal.error == 0) return true;
  RefusedBody body{};
  body.error = refusal.error;
  CopyText(body.detail, refusal.detail);
  // A daemon that leaves so many answers unread that one does not fit is broken.
  return connection_.Send(FrameKind::kRefused, frame_.header.exec_no, &body, sizeof(body));
}

bool Server::HandleStdin(Exec* exec) {
  StdinBody body;
  if (frame_.header.body_size < sizeof(body)) return false;
  __builtin_memcpy(&body, frame_.body, sizeof(body));
  if (body.eof > 1) return false;
  if (exec == nullptr || exec->phase == ExecPhase::kEnded) return true;  // crossed with the end
  if (exec->input.buffer == nullptr) exec->input.closed = true;          // it has no stdin
  TakeInput(exec, table_.SlotOf(*exec), body, frame_.body + sizeof(body),
            static_cast<uint32_t>(frame_.header.body_size - sizeof(body)), &events_);
  return true;
}

bool Server::HandleShellCommand(Exec* exec) {
  ShellCommandBody body;
  if (!ReadBody(frame_, &body) || body.size == 0 || body.size > kShellInputMax) return false;
  if (exec == nullptr || exec->phase != ExecPhase::kRunning) return true;  // crossed with the end
  return TakeShellCommand(exec, body, frame_.fds[0].get());
}

bool Server::HandleSignal(Exec* exec) {
  SignalBody body;
  if (!ReadBody(frame_, &body) || body.signal < 1 || body.signal > 64 ||
      body.scope > SignalScope::kTree) {
    return false;
  }
  if (exec != nullptr) SignalExec(exec, body);
  return true;
}

bool Server::HandleResize(Exec* exec) {
  ResizeBody body;
  if (!ReadBody(frame_, &body)) return false;
  if (exec == nullptr || !exec->terminal || !exec->output[0].valid()) return true;
  struct winsize size {};
  size.ws_row = body.rows;
  size.ws_col = body.columns;
  (void)raw::Ioctl(exec->output[0].get(), TIOCSWINSZ, &size);  // a hung-up terminal has no size
  return true;
}

bool Server::HandlePause() {
  if (paused_since_ns_ == 0) paused_since_ns_ = MonotonicNs();
  paused_owed_ = true;
  return frame_.header.body_size == 0;
}

bool Server::HandleContinue() {
  if (paused_since_ns_ != 0) {
    int64_t passed = MonotonicNs() - paused_since_ns_;
    for (uint32_t i = 0; i < table_.end(); ++i) {
      if (StandsStill(table_.at(i))) PostponeDeadlines(&table_.at(i), passed);
    }
  }
  paused_since_ns_ = 0;
  paused_owed_ = false;
  return frame_.header.body_size == 0;
}

bool Server::HandleOpenSocket() {
  OpenSocketBody body;
  return ReadBody(frame_, &body) && sockets_.Take(body);
}

void Server::HandleAckEnd() {
  EndedExec* ended = ended_.Find(frame_.header.exec_no);
  if (ended != nullptr) ended_.Free(ended);
}

// Between rounds: no event of this one is about a slot that is given away here.
void Server::RetireEnded() {
  for (uint32_t i = 0; i < table_.end(); ++i) {
    if (table_.at(i).phase != ExecPhase::kEnded) continue;
    ended_.Take(&table_.at(i));
    table_.Free(&table_.at(i));
    ended_owed_ = true;
  }
}

void Server::FlushFrames() {
  if (!connection_.connected() || version_ == 0) return;
  bool room = FlushReply() && FlushExecs();
  if (room && held_all_owed_) {
    room = connection_.Send(FrameKind::kHeldAll, 0, nullptr, 0);
    held_all_owed_ = !room;
  }
  if (!connection_.connected()) return DropConnection();
  if (!room != polls_output_) {
    polls_output_ = !room;
    uint32_t wanted = room ? uint32_t{EPOLLIN} : uint32_t{EPOLLIN} | uint32_t{EPOLLOUT};
    events_.Change(connection_.fd(), wanted, EventSource::kConnection);
  }
}

bool Server::FlushReply() {
  if (hello_owed_) {
    HelloBody body{version_, table_.open() + ended_.count()};
    hello_owed_ = !connection_.Send(FrameKind::kHelloAck, 0, &body, sizeof(body));
  }
  if (hello_owed_) return false;
  if (paused_owed_) paused_owed_ = !connection_.Send(FrameKind::kPaused, 0, nullptr, 0);
  return !paused_owed_ && sockets_.Flush(&connection_);
}

bool Server::FlushExecs() {
  for (uint32_t i = 0; i < table_.end(); ++i) {
    if (table_.at(i).pending != 0 && !FlushExec(&table_.at(i))) return false;
  }
  // Many may wait for their kAckEnd: they are not looked through in every round.
  for (uint32_t i = 0; ended_owed_ && i < ended_.end(); ++i) {
    if (ended_.at(i).pending != 0 && !FlushExec(&ended_.at(i))) return false;
  }
  ended_owed_ = false;
  return true;
}

template <typename Held>
bool Server::FlushExec(Held* exec) {
  // The order matters to the reader: the start first, the end last.
  for (PendingFrame frame :
       {kPendingHeld, kPendingStarted, kPendingStdinAck, kPendingOutput, kPendingEnd}) {
    if ((exec->pending & frame) == 0) continue;
    if (!SendOne(*exec, frame)) return false;
    exec->pending = static_cast<uint8_t>(exec->pending & ~frame);
  }
  return true;
}

bool Server::SendOne(const Exec& exec, PendingFrame frame) {
  switch (frame) {
    case kPendingHeld:
      return connection_.Send(FrameKind::kHeld, exec.exec_no, nullptr, 0, exec.region_fd.get());
    case kPendingStarted: {
      StartedBody body{exec.pid, 0, exec.end.started_ns};
      return connection_.Send(FrameKind::kStarted, exec.exec_no, &body, sizeof(body));
    }
    case kPendingStdinAck: {
      const ExecInput& input = exec.input;
      StdinAckBody body{input.accepted, input.written, input.closed ? 1u : 0u, 0};
      return connection_.Send(FrameKind::kStdinAck, exec.exec_no, &body, sizeof(body));
    }
    case kPendingOutput:
      return connection_.Send(FrameKind::kOutput, exec.exec_no, nullptr, 0);
    case kPendingEnd:
      break;  // an ended one's
  }
  return true;
}

bool Server::SendOne(const EndedExec& ended, PendingFrame frame) {
  switch (frame) {
    case kPendingHeld:
      return connection_.Send(FrameKind::kHeld, ended.exec_no, nullptr, 0, ended.region.get());
    case kPendingStarted: {
      StartedBody body{ended.pid, 0, ended.end.started_ns};
      return connection_.Send(FrameKind::kStarted, ended.exec_no, &body, sizeof(body));
    }
    case kPendingStdinAck: {
      StdinAckBody body{ended.input_accepted, ended.input_written, 1, 0};
      return connection_.Send(FrameKind::kStdinAck, ended.exec_no, &body, sizeof(body));
    }
    case kPendingOutput:
      break;  // the end says so too
    case kPendingEnd:
      return connection_.Send(FrameKind::kEnd, ended.exec_no, &ended.end, sizeof(ended.end));
  }
  return true;
}

// The time to wait for an event, in milliseconds, -1 without a deadline.
int Server::RunDeadlinesAndTimeout() {
  int64_t next = 0;
  bool paused = paused_since_ns_ != 0;
  for (uint32_t i = 0; i < table_.end(); ++i) {
    if (paused && StandsStill(table_.at(i))) continue;
    int64_t deadline = NextDeadline(table_.at(i));
    if (deadline != 0 && (next == 0 || deadline < next)) next = deadline;
  }
  if (next == 0) return -1;
  int64_t now = MonotonicNs();
  if (next > now) {
    int64_t wait_ms = (next - now + kMillisecond - 1) / kMillisecond;
    return wait_ms > 60'000 ? 60'000 : static_cast<int>(wait_ms);
  }
  for (uint32_t i = 0; i < table_.end(); ++i) {
    if (paused && StandsStill(table_.at(i))) continue;
    EndHold(&table_.at(i), i, now, &events_);
    RunDeadlines(&table_.at(i), now, connection_.connected(), &events_);
  }
  return 0;
}

}  // namespace glovebox
