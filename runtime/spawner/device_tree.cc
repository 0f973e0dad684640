#include "spawner/device_tree.h"

#include <fcntl.h>
#include <linux/mount.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include <initializer_list>

#include "linux/raw_syscalls.h"

namespace glovebox {
namespace {

// The modes of what is made here are meant.
class NoUmask {
 public:
  NoUmask() : before_(raw::Call(__NR_umask, 0)) {}
  NoUmask(const NoUmask&) = delete;
  NoUmask& operator=(const NoUmask&) = delete;
  ~NoUmask() { (void)raw::Call(__NR_umask, before_); }  // cannot fail

 private:
  const long before_;
};

// Real nodes, not binds of the host's: nothing of the host's /dev is reachable through them.
bool MakeNodes(int dev_fd, SetupStep step, SpawnFailure* failure) {
  struct Node {
    const char* name;
    unsigned major_number, minor_number;
  };
  constexpr Node kNodes[] = {{"null", 1, 3},   {"zero", 1, 5},    {"full", 1, 7},
                             {"random", 1, 8}, {"urandom", 1, 9}, {"tty", 5, 0}};
  for (const Node& node : kNodes) {
    long made = raw::Call(__NR_mknodat, dev_fd, node.name, S_IFCHR | 0666,
                          makedev(node.major_number, node.minor_number));
    if (!Succeeded(made, step, node.name, failure)) return false;
  }
  constexpr const char* kLinks[][2] = {{"/proc/self/fd", "fd"},
                                       {"/proc/self/fd/0", "stdin"},
                                       {"/proc/self/fd/1", "stdout"},
                                       {"/proc/self/fd/2", "stderr"},
                                       {"pts/ptmx", "ptmx"}};
  for (auto& link : kLinks) {
    long made = raw::Call(__NR_symlinkat, link[0], dev_fd, link[1]);
    if (!Succeeded(made, step, link[1], failure)) return false;
  }
  return true;
}

// Where a sandbox with a way out asks for names; its init decides whether it is shown.
bool WriteResolver(int root_fd, SetupStep step, SpawnFailure* failure) {
  constexpr char kName[] = "resolv.conf";
  constexpr char kText[] = "nameserver 127.0.0.1\n";
  UniqueFd file(
      static_cast<int>(raw::OpenAt(root_fd, kName, O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0444)));
  return Succeeded(file.get(), step, kName, failure) &&
         Succeeded(raw::Write(file.get(), kText, sizeof kText - 1), step, kName, failure);
}

bool Fill(int root_fd, SetupStep step, SpawnFailure* failure) {
  NoUmask umask;
  for (const char* name : {"dev", "dev/pts", "dev/shm", "empty"}) {
    if (!Succeeded(raw::Call(__NR_mkdirat, root_fd, name, 0755), step, name, failure)) return false;
  }
  UniqueFd dev(static_cast<int>(raw::OpenAt(root_fd, "dev", O_PATH | O_DIRECTORY | O_CLOEXEC)));
  return Succeeded(dev.get(), step, "dev", failure) && MakeNodes(dev.get(), step, failure) &&
         WriteResolver(root_fd, step, failure);
}

}  // namespace

UniqueFd NewTmpfs(const char* size, const char* inodes, SetupStep step, SpawnFailure* failure) {
  UniqueFd context(static_cast<int>(raw::FsOpen("tmpfs", FSOPEN_CLOEXEC)));
  if (!Succeeded(context.get(), step, "fsopen tmpfs", failure)) return UniqueFd();
  const char* options[][2] = {{"mode", "0755"}, {"size", size}, {"nr_inodes", inodes}};
  for (auto& option : options) {
    long result = raw::FsConfig(context.get(), FSCONFIG_SET_STRING, option[0], option[1], 0);
    if (!Succeeded(result, step, option[0], failure)) return UniqueFd();
  }
  long created = raw::FsConfig(context.get(), FSCONFIG_CMD_CREATE, nullptr, nullptr, 0);
  if (!Succeeded(created, step, "create tmpfs", failure)) return UniqueFd();
  long mount = raw::FsMount(context.get(), FSMOUNT_CLOEXEC, 0);
  (void)Succeeded(mount, step, "fsmount tmpfs", failure);  // reported by `failure`
  return UniqueFd(mount < 0 ? -1 : static_cast<int>(mount));
}

UniqueFd NewDeviceTree(SetupStep step, SpawnFailure* failure) {
  UniqueFd tree = NewTmpfs("64k", "32", step, failure);
  if (!tree.valid() || !Fill(tree.get(), step, failure)) return UniqueFd();
  mount_attr attr{};
  attr.attr_set = MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC;
  long result = raw::MountSetAttr(tree.get(), "", AT_EMPTY_PATH, attr);
  if (!Succeeded(result, step, "mount_setattr", failure)) return UniqueFd();
  return tree;
}

}  // namespace glovebox
