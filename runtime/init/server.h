// The exec server: one epoll loop over the daemon's frames, the commands' pipes and their ends.
#ifndef GLOVEBOX_INIT_SERVER_H_
#define GLOVEBOX_INIT_SERVER_H_

#include "base/unique_fd.h"
#include "init/connection.h"
#include "init/event_set.h"
#include "init/exec_table.h"
#include "init/plan_reader.h"

namespace glovebox {

// What is large, apart: all zero, so that it is neither in the file nor in memory until it is used.
struct ServerMemory {
  alignas(8) char frame_body[kFrameBodyMax];
  ExecTableMemory execs;
};

class Server {
 public:
  explicit constexpr Server(ServerMemory* memory) : table_(&memory->execs) {
    frame_.body = memory->frame_body;
  }
  // Step listen; ends the process when it fails.
  void Listen();
  [[noreturn]] void Run(const PlanReader& plan);

 private:
  void Handle(const PlanReader& plan, const epoll_event& event);
  void AcceptConnection();
  void DropConnection();
  void ResumeAll();
  void ReceiveFrames(const PlanReader& plan);
  bool HandleFrame(const PlanReader& plan);
  bool HandleHello();
  bool HandleStart(const PlanReader& plan);
  bool HandleStdin(Exec* exec);
  bool HandleSignal(Exec* exec);
  bool HandleResize(Exec* exec);
  void HandleAckEnd(Exec* exec);
  void FlushFrames();
  bool FlushExec(Exec* exec);
  bool SendOne(Exec* exec, PendingFrame frame);
  int RunDeadlinesAndTimeout();

  EventSet events_;
  UniqueFd signals_;
  Connection connection_;
  ExecTable table_;
  ReceivedFrame frame_;
  bool hello_owed_ = false;    // kHelloAck is not sent yet
  bool polls_output_ = false;  // the connection is polled for room
};

}  // namespace glovebox

#endif  // GLOVEBOX_INIT_SERVER_H_
