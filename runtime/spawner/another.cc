#include "spawner/another.h"

#include <fcntl.h>
#include <linux/prctl.h>
#include <linux/sched.h>

#include "base/unique_fd.h"
#include "linux/raw_syscalls.h"

namespace glovebox {
namespace {

// Tells people which of the two is which: at most 15 bytes.
void SetName(const char* name) {
  (void)raw::Prctl(PR_SET_NAME, reinterpret_cast<uintptr_t>(name));  // cannot fail
}

}  // namespace

bool MakeAnotherSpawner(const ReceivedRequest& request) {
  SpawnFailure failure;
  int pidfd = -1;
  clone_args args{};
  // The daemon's child, as this process is, so that the daemon reaps it. clone3 takes no exit
  // signal with CLONE_PARENT: it is the one of this process.
  args.flags = CLONE_PARENT | CLONE_PIDFD;
  args.pidfd = reinterpret_cast<uintptr_t>(&pidfd);
  SetName("glovebox-spawn");  // the new one's, from its birth on
  long pid = raw::Clone3(args);
  if (pid == 0) {
    if (raw::Dup3(request.socket_fd(), kSpawnerSocketFd, O_CLOEXEC) < 0) raw::ExitGroup(1);
    return true;
  }
  UniqueFd process(pidfd);
  SetName("spawner-reserve");
  (void)Succeeded(pid, SetupStep::kClone, "another spawner", &failure);  // told by the reply
  return SendReply(kSpawnerSocketFd, request.wire().request_id, failure, static_cast<int>(pid),
                   process.get());
}

}  // namespace glovebox
