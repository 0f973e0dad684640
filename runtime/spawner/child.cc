#include "spawner/child.h"

#include <errno.h>
#include <fcntl.h>

#include "linux/raw_syscalls.h"
#include "spawner/signals.h"

namespace glovebox {
namespace {

// The highest number any of init's descriptors can have; a source below is moved above first, so
// that no target overwrites a source.
constexpr int kTargetsEnd =
    kInitLayersFd + static_cast<int>(kLayersMax + kBindsMax + kCacheLayersMax) + 1;

bool MoveUp(int* fd, SpawnFailure* failure) {
  if (*fd >= kTargetsEnd) return true;
  long moved = raw::Fcntl(*fd, F_DUPFD_CLOEXEC, kTargetsEnd);
  *fd = static_cast<int>(moved);
  return Succeeded(moved, SetupStep::kPassDescriptors, "move a descriptor", failure);
}

bool JoinCgroups(const ReceivedRequest& request, SpawnFailure* failure) {
  for (uint32_t i = 0; i < request.wire().tasks_count; ++i) {
    // "0" by a single-threaded process is the one form of attaching that waits for no grace period.
    long written = raw::Write(request.tasks_fd(i), "0", 1);
    if (!Succeeded(written, SetupStep::kJoinCgroups, "tasks", failure)) return false;
  }
  return true;
}

// gid before uid: afterwards the right to change groups is gone. Groups of the daemon would still
// count on the host's files.
bool BecomeInnerRoot(SpawnFailure* failure) {
  constexpr SetupStep kStep = SetupStep::kWriteIdMaps;
  return Succeeded(raw::SetResGid(0), kStep, "setresgid", failure) &&
         Succeeded(raw::SetGroups(0, nullptr), kStep, "setgroups", failure) &&
         Succeeded(raw::SetResUid(0), kStep, "setresuid", failure);
}

bool PassDescriptors(const ReceivedRequest& request, int device_fd, int* init_fd, int* sync_fd,
                     SpawnFailure* failure) {
  constexpr SetupStep kStep = SetupStep::kPassDescriptors;
  int sources[kTargetsEnd];
  int end = 3;
  sources[end++] = request.status_fd();
  sources[end++] = request.listen_fd();
  sources[end++] = request.plan_fd();
  sources[end++] = device_fd;
  sources[end++] = request.disk_fd();
  for (uint32_t i = 0; i < request.wire().layer_count; ++i) sources[end++] = request.layer_fd(i);
  for (uint32_t i = 0; i < request.wire().bind_count; ++i) sources[end++] = request.bind_fd(i);
  for (uint32_t i = 0; i < request.wire().cache_layer_count; ++i) {
    sources[end++] = request.cache_layer_fd(i);
  }
  if (request.cgroup2_fd() >= 0) sources[end++] = request.cgroup2_fd();
  if (!MoveUp(init_fd, failure) || !MoveUp(sync_fd, failure)) return false;
  for (int i = 3; i < end; ++i) {
    if (!MoveUp(&sources[i], failure)) return false;
  }
  for (int i = 3; i < end; ++i) {
    if (!Succeeded(raw::Dup3(sources[i], i, 0), kStep, "dup3", failure)) return false;
  }
  // Marked, not closed: the memfd and the report's socket are needed until the exec itself.
  long marked = raw::CloseRange(static_cast<unsigned>(end), ~0U, CLOSE_RANGE_CLOEXEC);
  return Succeeded(marked, kStep, "close_range", failure);
}

bool Prepare(const ReceivedRequest& request, int device_fd, int* init_fd, int* sync_fd,
             SpawnFailure* failure) {
  if (!JoinCgroups(request, failure)) return false;
  char go;
  if (raw::Read(*sync_fd, &go, 1) != 1) raw::ExitGroup(0);  // the spawner gave up or died
  return BecomeInnerRoot(failure) &&
         PassDescriptors(request, device_fd, init_fd, sync_fd, failure) &&
         Succeeded(SetDisposition(kSigChld, 0), SetupStep::kExecInit, "SIGCHLD", failure);
}

}  // namespace

void RunChild(const ReceivedRequest& request, int device_fd, int init_fd, int sync_fd) {
  SpawnFailure failure;
  if (Prepare(request, device_fd, &init_fd, &sync_fd, &failure)) {
    const char* argv[] = {"glovebox-init", nullptr};
    const char* envp[] = {nullptr};
    long result = raw::ExecveAt(init_fd, "", argv, envp, AT_EMPTY_PATH);
    (void)Succeeded(result, SetupStep::kExecInit, "execveat", &failure);  // only failure returns
  }
  (void)raw::Write(sync_fd, &failure, sizeof(failure));  // without a reader nobody wants it
  raw::ExitGroup(1);
}

}  // namespace glovebox
