#include "spawner/id_maps.h"

#include <fcntl.h>
#include <linux/mount.h>
#include <signal.h>
#include <sys/socket.h>

#include "linux/bare_text.h"
#include "linux/raw_syscalls.h"

namespace glovebox {
namespace {

bool WriteMap(int process_fd, const char* file, const IdLine& line, SpawnFailure* failure) {
  constexpr SetupStep kStep = SetupStep::kWriteIdMaps;
  TextBuffer<80> text;
  text.AddNumber(line.inner).Add(" ").AddNumber(line.host).Add(" ").AddNumber(line.count).Add("\n");
  UniqueFd fd(static_cast<int>(raw::OpenAt(process_fd, file, O_WRONLY | O_CLOEXEC)));
  return Succeeded(fd.get(), kStep, file, failure) &&
         Succeeded(raw::Write(fd.get(), text.text(), text.size()), kStep, file, failure);
}

UniqueFd OpenUserNamespace(int process_fd, SpawnFailure* failure) {
  UniqueFd fd(static_cast<int>(raw::OpenAt(process_fd, "ns/user", O_RDONLY | O_CLOEXEC)));
  (void)Succeeded(fd.get(), SetupStep::kIdMapMounts, "ns/user", failure);  // told by `failure`
  return fd;
}

// A user namespace needs a process to be made and to have its maps written; afterwards the
// descriptor keeps it.
UniqueFd MakeOwnerNamespace(const SpawnRequest& wire, const MountHandling& bind,
                            SpawnFailure* failure) {
  constexpr SetupStep kStep = SetupStep::kIdMapMounts;
  int ends[2];
  long made = raw::Call(__NR_socketpair, AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, &ends[0]);
  if (!Succeeded(made, kStep, "socketpair", failure)) return UniqueFd();
  UniqueFd mine(ends[0]);
  UniqueFd theirs(ends[1]);
  int pidfd_number = -1;
  clone_args args{};
  args.flags = CLONE_NEWUSER | CLONE_PIDFD;
  args.exit_signal = SIGCHLD;
  args.pidfd = reinterpret_cast<uintptr_t>(&pidfd_number);
  long pid = raw::Clone3(args);
  if (pid == 0) {
    mine.Reset();
    char byte;
    (void)raw::Read(theirs.get(), &byte, 1);  // returns when the spawner is done, or dead
    raw::ExitGroup(0);
  }
  if (!Succeeded(pid, kStep, "clone of the owner's user namespace", failure)) return UniqueFd();
  UniqueFd pidfd(pidfd_number);
  UniqueFd process = OpenProcess(static_cast<int>(pid), pidfd.get(), failure);
  IdLine uids{bind.owner_uid, uint64_t{wire.host_id_first} + bind.inner_uid, 1};
  IdLine gids{bind.owner_gid, uint64_t{wire.host_id_first} + bind.inner_gid, 1};
  if (!process.valid() || !WriteIdMaps(process.get(), uids, gids, failure)) return UniqueFd();
  return OpenUserNamespace(process.get(), failure);
}

bool SetAttributes(int mount_fd, bool read_only, int user_namespace_fd, const char* what,
                   SpawnFailure* failure) {
  mount_attr attr{};
  attr.attr_set = MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV;
  if (read_only) attr.attr_set |= MOUNT_ATTR_RDONLY;
  if (user_namespace_fd >= 0) {
    attr.attr_set |= MOUNT_ATTR_IDMAP;
    attr.userns_fd = static_cast<uint64_t>(user_namespace_fd);
  }
  // Recursive: a submount that cannot be mapped or made read-only fails the whole request.
  long result = raw::MountSetAttr(mount_fd, "", AT_EMPTY_PATH | AT_RECURSIVE, attr);
  return Succeeded(result, SetupStep::kIdMapMounts, what, failure);
}

// What has canonical ids, and is never written to through this mount.
bool HandleLayer(int mount_fd, int user_namespace_fd, const char* kind, uint32_t number,
                 SpawnFailure* failure) {
  TextBuffer<24> name;
  name.Add(kind).AddNumber(number);
  return SetAttributes(mount_fd, true, user_namespace_fd, name.text(), failure);
}

}  // namespace

UniqueFd OpenProcess(int pid, int pidfd, SpawnFailure* failure) {
  constexpr SetupStep kStep = SetupStep::kWriteIdMaps;
  TextBuffer<32> path;
  path.Add("/proc/").AddNumber(static_cast<uint64_t>(pid));
  UniqueFd fd(
      static_cast<int>(raw::OpenAt(AT_FDCWD, path.text(), O_PATH | O_DIRECTORY | O_CLOEXEC)));
  if (!Succeeded(fd.get(), kStep, "/proc/<pid>", failure)) return UniqueFd();
  // Children are reaped by the kernel, so the number may be another's already; a live child proves
  // that the directory, which is tied to one process, is the child's.
  if (!Succeeded(raw::PidfdSendSignal(pidfd, 0), kStep, "the child died", failure)) {
    return UniqueFd();
  }
  return fd;
}

bool WriteIdMaps(int process_fd, const IdLine& uids, const IdLine& gids, SpawnFailure* failure) {
  return WriteMap(process_fd, "uid_map", uids, failure) &&
         WriteMap(process_fd, "gid_map", gids, failure) &&
         // Written once by anybody, with any ids; so it is not left to the payload.
         WriteMap(process_fd, "projid_map", gids, failure);
}

bool HandleMounts(const ReceivedRequest& request, int process_fd, SpawnFailure* failure) {
  const SpawnRequest& wire = request.wire();
  UniqueFd sandbox = OpenUserNamespace(process_fd, failure);
  if (!sandbox.valid()) return false;
  if (!SetAttributes(request.disk_fd(), false, sandbox.get(), "disk", failure)) return false;
  for (uint32_t i = 0; i < wire.layer_count; ++i) {
    if (!HandleLayer(request.layer_fd(i), sandbox.get(), "layer ", i, failure)) return false;
  }
  for (uint32_t i = 0; i < wire.cache_layer_count; ++i) {
    if (!HandleLayer(request.cache_layer_fd(i), sandbox.get(), "cache layer ", i, failure)) {
      return false;
    }
  }
  for (uint32_t i = 0; i < wire.bind_count; ++i) {
    const MountHandling& bind = wire.binds[i];
    UniqueFd owner;
    int map_fd = -1;
    if (bind.id_map == IdMapKind::kSandbox) map_fd = sandbox.get();
    if (bind.id_map == IdMapKind::kOwner) {
      owner = MakeOwnerNamespace(wire, bind, failure);
      if (!owner.valid()) return false;
      map_fd = owner.get();
    }
    TextBuffer<24> name;
    name.Add("bind ").AddNumber(i);
    if (!SetAttributes(request.bind_fd(i), bind.read_only != 0, map_fd, name.text(), failure)) {
      return false;
    }
  }
  return true;
}

}  // namespace glovebox
