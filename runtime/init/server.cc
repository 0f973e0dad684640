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
#include "linux/bare_text.h"

namespace glovebox {
namespace {

constexpr int kEventsAtOnce = 32;
constexpr int kFramesAtOnce = 16;  // then the commands have their turn
constexpr int kReadsAtOnce = 4;

template <typename Body>
bool ReadBody(const ReceivedFrame& frame, Body* body) {
  if (frame.header.body_size != sizeof(Body)) return false;
  __builtin_memcpy(body, frame.body, sizeof(Body));
  return true;
}

}  // namespace

void Server::Listen() {
  constexpr SetupStep kStep = SetupStep::kListen;
  Require(events_.Create(), kStep, "epoll_create1");
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
      AcceptConnection();
      return;
    case EventSource::kConnection:
      if (connection_.connected()) ReceiveFrames(plan);
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
  }
}

void Server::AcceptConnection() {
  bool had = connection_.connected();
  int old_fd = connection_.fd();
  if (had) events_.Remove(old_fd);
  bool accepted = connection_.Accept(kInitListenFd);
  if (!accepted && !had) return;
  polls_output_ = false;
  if (accepted) {
    hello_owed_ = false;
    ResumeAll();  // the gates were the old daemon's; the new one's are read anew
  }
  if (events_.Add(connection_.fd(), EPOLLIN, EventSource::kConnection) < 0) DropConnection();
}

void Server::DropConnection() {
  connection_.Drop();
  hello_owed_ = polls_output_ = false;
  ResumeAll();  // without a reader nobody moves the gate: the oldest output gives way
}

void Server::ResumeAll() {
  for (uint32_t i = 0; i < table_.end(); ++i) ResumeOutput(&table_.at(i), i, &events_);
}

void Server::ReceiveFrames(const PlanReader& plan) {
  for (int i = 0; i < kFramesAtOnce && connection_.connected(); ++i) {
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
  bool is_start = frame_.header.kind == FrameKind::kStart;
  if (frame_.fd_count != (is_start ? kFrameFdsMax : 0)) return false;
  switch (frame_.header.kind) {
    case FrameKind::kHello:
      return HandleHello();
    case FrameKind::kStart:
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
      HandleAckEnd(exec);
      return frame_.header.body_size == 0;
    case FrameKind::kHelloAck:
    case FrameKind::kStarted:
    case FrameKind::kOutput:
    case FrameKind::kStdinAck:
    case FrameKind::kEnd:
    case FrameKind::kRefused:
      return false;  // ours to send
  }
  return false;
}

bool Server::HandleHello() {
  HelloBody body;
  if (!ReadBody(frame_, &body) || body.version != kFramesVersion) return false;
  hello_owed_ = true;
  // What an earlier daemon was told may have died with it.
  for (uint32_t i = 0; i < table_.end(); ++i) {
    Exec& exec = table_.at(i);
    if (exec.phase == ExecPhase::kFree) continue;
    if (exec.started) exec.pending |= kPendingStarted;
    if (exec.input.accepted > 0 || exec.input.closed) exec.pending |= kPendingStdinAck;
    if (exec.phase == ExecPhase::kEnded) exec.pending |= kPendingEnd;
  }
  return true;
}

bool Server::HandleStart(const PlanReader& plan) {
  if (frame_.header.body_size != 0) return false;
  StartDescriptors descriptors{static_cast<UniqueFd&&>(frame_.fds[0]),
                               static_cast<UniqueFd&&>(frame_.fds[1]),
                               static_cast<UniqueFd&&>(frame_.fds[2])};
  StartRefusal refusal = StartExec(plan, frame_.header.exec_no,
                                   static_cast<StartDescriptors&&>(descriptors), &table_, &events_);
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

void Server::HandleAckEnd(Exec* exec) {
  if (exec != nullptr && exec->phase == ExecPhase::kEnded) table_.Free(exec);
}

void Server::FlushFrames() {
  if (!connection_.connected()) return;
  bool room = true;
  if (hello_owed_) {
    HelloBody body{kFramesVersion, table_.open()};
    room = connection_.Send(FrameKind::kHelloAck, 0, &body, sizeof(body));
    hello_owed_ = !room;
  }
  for (uint32_t i = 0; i < table_.end() && room; ++i) {
    if (table_.at(i).pending != 0) room = FlushExec(&table_.at(i));
  }
  if (!connection_.connected()) return DropConnection();
  if (!room != polls_output_) {
    polls_output_ = !room;
    uint32_t wanted = room ? uint32_t{EPOLLIN} : uint32_t{EPOLLIN} | uint32_t{EPOLLOUT};
    events_.Change(connection_.fd(), wanted, EventSource::kConnection);
  }
}

bool Server::FlushExec(Exec* exec) {
  // The order matters to the reader: the start first, the end last.
  for (PendingFrame frame : {kPendingStarted, kPendingStdinAck, kPendingOutput, kPendingEnd}) {
    if ((exec->pending & frame) == 0) continue;
    if (!SendOne(exec, frame)) return false;
    exec->pending = static_cast<uint8_t>(exec->pending & ~frame);
  }
  return true;
}

bool Server::SendOne(Exec* exec, PendingFrame frame) {
  switch (frame) {
    case kPendingStarted: {
      StartedBody body{exec->pid, 0, exec->end.started_ns};
      return connection_.Send(FrameKind::kStarted, exec->exec_no, &body, sizeof(body));
    }
    case kPendingStdinAck: {
      const ExecInput& input = exec->input;
      StdinAckBody body{input.accepted, input.written, input.closed ? 1u : 0u, 0};
      return connection_.Send(FrameKind::kStdinAck, exec->exec_no, &body, sizeof(body));
    }
    case kPendingOutput:
      return connection_.Send(FrameKind::kOutput, exec->exec_no, nullptr, 0);
    case kPendingEnd:
      return connection_.Send(FrameKind::kEnd, exec->exec_no, &exec->end, sizeof(exec->end));
  }
  return true;
}

// The time to wait for an event, in milliseconds, -1 without a deadline.
int Server::RunDeadlinesAndTimeout() {
  int64_t next = 0;
  for (uint32_t i = 0; i < table_.end(); ++i) {
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
    RunDeadlines(&table_.at(i), now, connection_.connected(), &events_);
  }
  return 0;
}

}  // namespace glovebox
