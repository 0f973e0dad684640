#include "spawner/spawn.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/mount.h>
#include <linux/prctl.h>
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>

#include "linux/raw_syscalls.h"
#include "spawner/child.h"
#include "spawner/id_maps.h"

namespace glovebox {
namespace {

// The child's own words, if it failed before its exec.
bool AwaitExec(int sync_fd, SpawnFailure* failure) {
  SpawnFailure said;
  long size;
  do {
    size = raw::Read(sync_fd, &said, sizeof(said));
    // A child that died with our byte unread resets the socket once; its words come next.
  } while (size == -EINTR || size == -ECONNRESET);
  if (size == 0) return true;
  if (size != static_cast<long>(sizeof(said))) {
    return Succeeded(size < 0 ? size : -EPROTO, SetupStep::kExecInit, "report of the child",
                     failure);
  }
  *failure = said;
  return false;
}

void KillAndWait(int pidfd) {
  (void)raw::PidfdSendSignal(pidfd, SIGKILL);  // ESRCH: it is gone already
  pollfd item{pidfd, POLLIN, 0};
  while (raw::Call(__NR_poll, &item, 1, -1) == -EINTR) {
  }
}

// What the kernel counts per user for a user namespace (inotify instances, queue bytes, pending
// signals, locked memory) it counts again for the namespace's owner, the effective uid of its
// maker. With root as the owner of all, one sandbox would use up what the others and the host have;
// so each is owned by its own first id, which the spawner has while it makes and prepares the
// child.
class OwnerIdentity {
 public:
  explicit OwnerIdentity(uint32_t uid) : result_(Become(uid)) {}
  OwnerIdentity(const OwnerIdentity&) = delete;
  OwnerIdentity& operator=(const OwnerIdentity&) = delete;
  ~OwnerIdentity() {
    // Else the next sandbox's requests would be carried out as this one; the daemon sees the end.
    if (raw::Call(__NR_setresuid, -1, 0, -1) < 0) raw::ExitGroup(1);
  }
  long result() const { return result_; }

 private:
  static long Become(uint32_t uid) {
    raw::CapabilitySets sets;
    long result = raw::CapGet(&sets);
    if (result < 0) return result;
    result = raw::Call(__NR_setresuid, -1, uid, -1);
    // The change takes the effective capabilities, which are still permitted, and makes the memory,
    // of which the child gets a copy, one whose namespaces cannot be looked at.
    if (result >= 0) result = raw::CapSet(sets);
    return result < 0 ? result : raw::Prctl(PR_SET_DUMPABLE, 1);
  }
  const long result_;
};

// When the whole host runs out of memory, sandboxes go before the daemon and everything else.
bool OfferToOomKiller(int process_fd, SpawnFailure* failure) {
  constexpr SetupStep kStep = SetupStep::kClone;
  UniqueFd fd(static_cast<int>(raw::OpenAt(process_fd, "oom_score_adj", O_WRONLY | O_CLOEXEC)));
  return Succeeded(fd.get(), kStep, "oom_score_adj", failure) &&
         Succeeded(raw::Write(fd.get(), "500", 3), kStep, "oom_score_adj", failure);
}

bool PrepareForChild(const ReceivedRequest& request, int pid, int pidfd, SpawnFailure* failure) {
  const SpawnRequest& wire = request.wire();
  UniqueFd process = OpenProcess(pid, pidfd, failure);
  IdLine range{0, wire.host_id_first, wire.id_count};
  return process.valid() && OfferToOomKiller(process.get(), failure) &&
         WriteIdMaps(process.get(), range, range, failure) &&
         HandleMounts(request, process.get(), failure);
}

}  // namespace

SpawnedInit Spawn(const ReceivedRequest& request, int init_fd, UniqueFd devices,
                  SpawnFailure* failure) {
  SpawnedInit result;
  int ends[2];
  if (!Succeeded(raw::Call(__NR_socketpair, AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, &ends[0]),
                 SetupStep::kClone, "socketpair", failure)) {
    return result;
  }
  UniqueFd mine(ends[0]);
  UniqueFd theirs(ends[1]);
  int pidfd = -1;
  clone_args args{};
  args.flags = CLONE_NEWUSER | CLONE_NEWPID | CLONE_NEWNS | CLONE_NEWNET | CLONE_NEWIPC |
               CLONE_NEWUTS | CLONE_PIDFD;
  args.exit_signal = SIGCHLD;
  args.pidfd = reinterpret_cast<uintptr_t>(&pidfd);
  if (request.cgroup2_fd() >= 0) {
    args.flags |= CLONE_INTO_CGROUP;
    args.cgroup = static_cast<uint64_t>(request.cgroup2_fd());
  }
  OwnerIdentity owner(request.wire().host_id_first);
  if (!Succeeded(owner.result(), SetupStep::kClone, "become the owner", failure)) return result;
  long pid = raw::Clone3(args);
  if (pid == 0) {
    mine.Reset();  // else the child would hold its own wait open
    RunChild(request, devices.get(), init_fd, theirs.Release());
  }
  if (!Succeeded(pid, SetupStep::kClone, "clone3", failure)) return result;
  result.host_pid = static_cast<int>(pid);
  result.pidfd.Reset(pidfd);
  theirs.Reset();
  if (PrepareForChild(request, result.host_pid, pidfd, failure)) {
    // A dead child has said why; that is read next. Without MSG_NOSIGNAL it would end the spawner.
    long told = raw::Call(__NR_sendto, mine.get(), "g", 1, MSG_NOSIGNAL, nullptr, 0);
    bool heard = told == -EPIPE || told == -ECONNRESET ||
                 Succeeded(told, SetupStep::kExecInit, "word to the child", failure);
    if (heard && AwaitExec(mine.get(), failure)) return result;
  } else {
    // The child's own failure, if there is one, is the cause of ours.
    SpawnFailure said;
    if (raw::Call(__NR_recvfrom, mine.get(), &said, sizeof(said), MSG_DONTWAIT, nullptr, nullptr) ==
        static_cast<long>(sizeof(said))) {
      *failure = said;
    }
  }
  KillAndWait(pidfd);
  result.pidfd.Reset();
  return result;
}

}  // namespace glovebox
