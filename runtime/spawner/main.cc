// glovebox-spawner: the only process that makes namespaces. Theory of operation:
// runtime/init/README.md.
#include <errno.h>
#include <fcntl.h>

#include "linux/bare_start.h"
#include "linux/raw_syscalls.h"
#include "spawner/another.h"
#include "spawner/device_tree.h"
#include "spawner/request.h"
#include "spawner/spawn.h"
#include "spawner/spawn_wire.h"
#include "spawner/spawner_root.h"

namespace glovebox {
namespace {

// An init that somebody could still write to would be every sandbox's init.
bool CheckInitFd(SpawnFailure* failure) {
  constexpr SetupStep kStep = SetupStep::kReceiveRequest;
  constexpr long kSeals = F_SEAL_WRITE | F_SEAL_GROW | F_SEAL_SHRINK;
  long seals = raw::Fcntl(kSpawnerInitFd, F_GET_SEALS);
  if (!Succeeded(seals, kStep, "seals of the init memfd", failure)) return false;
  if ((seals & kSeals) != kSeals) return Succeeded(-EPERM, kStep, "init is not sealed", failure);
  return Succeeded(raw::Fcntl(kSpawnerInitFd, F_SETFD, FD_CLOEXEC), kStep, "cloexec", failure) &&
         Succeeded(raw::Fcntl(kSpawnerSocketFd, F_SETFD, FD_CLOEXEC), kStep, "cloexec", failure) &&
         Succeeded(raw::CloseRange(kSpawnerInitFd + 1, ~0U, 0), kStep, "close_range", failure);
}

// A session of its own, for itself and every init: what a terminal sends to the daemon (Ctrl-C, a
// hang-up) is not for sandboxes that outlive it.
bool LeaveTerminal(SpawnFailure* failure) {
  return Succeeded(raw::Call(__NR_setsid), SetupStep::kReceiveRequest, "setsid", failure);
}

bool StartUp(SpawnFailure* failure) {
  return CheckInitFd(failure) && LeaveTerminal(failure) && ResetSignals(failure) &&
         EnterSpawnerRoot(failure) && GiveUpOomProtection(failure) && ReducePrivilege(failure);
}

// The next sandbox's device tree is made while nobody waits. One that could not be made is made
// when it is needed, and then the failure is told.
UniqueFd MakeAhead() {
  SpawnFailure untold;
  return NewDeviceTree(SetupStep::kClone, &untold);
}

// False when the daemon has closed its end: then there is nothing left to do.
bool ServeOne(UniqueFd devices) {
  SpawnFailure failure;
  ReceivedRequest request;
  if (!request.Receive(kSpawnerSocketFd, &failure)) return false;
  if (!failure.failed() && request.wire().kind == SpawnRequestKind::kAnotherSpawner) {
    return MakeAnotherSpawner(request);
  }
  if (!failure.failed() && !devices.valid()) devices = NewDeviceTree(SetupStep::kClone, &failure);
  SpawnedInit init;
  if (!failure.failed()) {
    init = Spawn(request, kSpawnerInitFd, static_cast<UniqueFd&&>(devices), &failure);
  }
  return SendReply(kSpawnerSocketFd, request.wire().request_id, failure,
                   failure.failed() ? 0 : init.host_pid, init.pidfd.get());
}

}  // namespace
}  // namespace glovebox

extern "C" int BareMain() {
  glovebox::SpawnFailure failure;
  bool started = glovebox::StartUp(&failure);
  if (!SendReply(glovebox::kSpawnerSocketFd, 0, failure, 0, -1) || !started) return 1;
  while (glovebox::ServeOne(glovebox::MakeAhead())) {
  }
  return 0;
}
