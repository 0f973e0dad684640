// The exec server: one epoll loop over the daemon's frames, the commands' pipes and their ends.
#ifndef GLOVEBOX_INIT_SERVER_H_
#define GLOVEBOX_INIT_SERVER_H_

#include "base/unique_fd.h"
#include "init/connection.h"
#include "init/ended_table.h"
#include "init/event_set.h"
#include "init/exec_start.h"
#include "init/exec_table.h"
#include "init/plan_reader.h"
#include "init/refusals.h"
#include "init/socket_answers.h"

namespace glovebox {

// What is large, apart: all zero, so that it is neither in the file nor in memory until it is used.
struct ServerMemory {
  alignas(8) char frame_body[kFrameBodyMax];
  ExecTableMemory execs;
  EndedTableMemory ended;
  RefusalMemory refusals;
};

class Server {
 public:
  explicit constexpr Server(ServerMemory* memory)
      : table_(&memory->execs), ended_(&memory->ended), refusals_(&memory->refusals) {
    frame_.body = memory->frame_body;
  }
  // What RunSetup returned.
  void KeepDiags(const DiagSockets& diags) { sockets_.KeepDiags(diags); }
  // Step listen; ends the process when it fails.
  void Listen();
  [[noreturn]] void Run(const PlanReader& plan);

 private:
  void Handle(const PlanReader& plan, const epoll_event& event);
  void AcceptConnection(const PlanReader& plan);
  void DropConnection();
  void ResumeAll();
  void AdvanceShells();
  void ReceiveFrames(const PlanReader& plan, int frames_max);
  bool HandleFrame(const PlanReader& plan);
  bool HandleHello();
  bool HandleStart(const PlanReader& plan);
  StartRefusal TakeStart(const PlanReader& plan);
  bool HandleStdin(Exec* exec);
  bool HandleShellCommand(Exec* exec);
  bool HandleSignal(Exec* exec);
  bool HandleResize(Exec* exec);
  bool HandlePause();
  bool HandleContinue();
  bool HandleOpenSocket();
  void HandleAckEnd();
  void RetireEnded();
  void FlushFrames();
  bool FlushReply();
  bool FlushExecs();
  template <typename Held>
  bool FlushExec(Held* exec);
  bool SendOne(const Exec& exec, PendingFrame frame);
  bool SendOne(const EndedExec& ended, PendingFrame frame);
  int RunDeadlinesAndTimeout();

  EventSet events_;
  UniqueFd signals_;
  Connection connection_;
  ExecTable table_;
  EndedTable ended_;
  Refusals refusals_;
  SocketAnswers sockets_;
  ReceivedFrame frame_;
  uint32_t version_ = 0;         // both sides' of this connection, 0 before kHello
  bool hello_owed_ = false;      // kHelloAck is not sent yet
  bool held_all_owed_ = false;   // kHeldAll is not sent yet
  bool ended_owed_ = false;      // an ended exec may have a frame pending
  bool paused_owed_ = false;     // kPaused is not sent yet
  int64_t paused_since_ns_ = 0;  // monotonic; 0: time does not stand still
  bool polls_output_ = false;    // the connection is polled for room
};

}  // namespace glovebox

#endif  // GLOVEBOX_INIT_SERVER_H_
