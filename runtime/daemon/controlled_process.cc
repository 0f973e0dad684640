#include "daemon/controlled_process.h"

#include "base/status.h"
#include "linux/process.h"
#include "linux/seqpacket.h"

namespace glovebox {

absl::StatusOr<ControlledProcess> ControlledProcess::Start(int program_fd, const std::string& name,
                                                           int their_fd) {
  ASSIGN_OR_RETURN(auto sockets, MakeSeqpacketPair());
  ASSIGN_OR_RETURN(SpawnedProcess process,
                   SpawnFromFd(program_fd, {name}, {{sockets.second.get(), their_fd}}));
  return ControlledProcess(std::move(sockets.first), std::move(process.pidfd), process.pid);
}

std::string ControlledProcess::End() { return EndChild(&pidfd_); }

ControlledProcess::~ControlledProcess() {
  if (pidfd_.valid()) (void)End();
}

}  // namespace glovebox
