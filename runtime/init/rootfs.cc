#include "init/rootfs.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <linux/mount.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>

#include <initializer_list>

#include "init/exec_limits.h"
#include "init/report.h"
#include "linux/bare_text.h"
#include "linux/raw_syscalls.h"

namespace glovebox {
namespace {

constexpr unsigned long kNoSuid = 2, kNoDev = 4, kNoExec = 8;  // MS_NOSUID MS_NODEV MS_NOEXEC
constexpr unsigned long kRecursivePrivate = (1UL << 14) | (1UL << 18);  // MS_REC | MS_PRIVATE

// The stage as seen from the new root, which is the cwd while it is assembled.
constexpr const char* kBind = "../b";
constexpr const char* kDevices = "../d/dev";
constexpr const char* kNull = "../d/dev/null";
constexpr const char* kEmpty = "../d/empty";
constexpr const char* kResolver = "../d/resolv.conf";

constexpr size_t kOptionBytesMax = 256;  // what fsconfig takes of a value, with the NUL

int Attach(int mount_fd, const char* target, SetupStep step) {
  Require(raw::MoveMount(mount_fd, "", AT_FDCWD, target, MOVE_MOUNT_F_EMPTY_PATH), step, target);
  return mount_fd;
}

// An O_PATH descriptor of `path` below `root_fd`, symlinks resolved as inside the sandbox.
long OpenInRoot(int root_fd, const char* path, uint64_t flags) {
  open_how how{};
  how.flags = flags | O_PATH | O_CLOEXEC;
  how.resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS;
  return raw::OpenAt2(root_fd, path, how);
}

// An O_PATH descriptor of the directory `path` below `dir_fd`; a link in it is an error.
long OpenThroughNoLink(int dir_fd, const char* path) {
  open_how how{};
  how.flags = O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;
  how.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS;
  return raw::OpenAt2(dir_fd, path, how);
}

UniqueFd OpenPlainDirectory(int dir_fd, const char* path, SetupStep step, const char* what) {
  return UniqueFd(static_cast<int>(Require(OpenThroughNoLink(dir_fd, path), step, what)));
}

// /proc, /dev and /tmp must be plain directories of the image; one that is missing is made, one
// that is a link or a file is refused.
void RequireDirectory(int root_fd, const char* name, SetupStep step) {
  long made = raw::Call(__NR_mkdirat, root_fd, name, 0755);
  if (made != -EEXIST) Require(made, step, name);
  (void)OpenPlainDirectory(root_fd, name, step, name);
}

// Opens `path`, making directories, and at the end a directory or an empty file, where there is
// none.
UniqueFd OpenMountPoint(int root_fd, const char* path, bool directory) {
  constexpr SetupStep kStep = SetupStep::kMountBinds;
  UniqueFd parent(static_cast<int>(Require(OpenInRoot(root_fd, "/", O_DIRECTORY), kStep, "/")));
  TextBuffer<kPathBytesMax> prefix;
  size_t size = TextSize(path);
  size_t at = 0;
  for (;;) {
    while (path[at] == '/') ++at;
    if (at == size) return parent;
    size_t end = at + FindChar(path + at, size - at, '/');
    TextBuffer<256> name;
    name.Add(path + at, end - at);
    if (name.cut()) FailSetup(kStep, ENAMETOOLONG, path);
    prefix.Add("/").Add(path + at, end - at);
    at = end;
    long fd = OpenInRoot(root_fd, prefix.text(), 0);
    if (fd == -ENOENT) {
      bool last = FindChar(path + at, size - at, '/') == size - at;
      if (last && !directory) {
        UniqueFd file(static_cast<int>(Require(
            raw::OpenAt(parent.get(), name.text(), O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0644),
            kStep, path)));
      } else {
        Require(raw::Call(__NR_mkdirat, parent.get(), name.text(), 0755), kStep, path);
      }
      fd = OpenInRoot(root_fd, prefix.text(), 0);
    }
    parent.Reset(static_cast<int>(Require(fd, kStep, path)));
  }
}

// Opens the directory `path` through no link: what is there is an image's, or of an upper that a
// payload wrote. A directory that is missing is made and belongs to whom the one it is in does, so
// that a command may make others beside a cache in its home.
UniqueFd OpenCacheTarget(int root_fd, const char* path) {
  constexpr SetupStep kStep = SetupStep::kMountCaches;
  UniqueFd parent = OpenPlainDirectory(root_fd, ".", kStep, path);
  const size_t size = TextSize(path);
  for (size_t at = 0;;) {
    while (path[at] == '/') ++at;
    if (at == size) return parent;
    const size_t end = at + FindChar(path + at, size - at, '/');
    TextBuffer<256> name;
    name.Add(path + at, end - at);
    if (name.cut()) FailSetup(kStep, ENAMETOOLONG, path);
    at = end;
    long fd = OpenThroughNoLink(parent.get(), name.text());
    if (fd == -ENOENT) {
      struct stat owner;
      Require(raw::Call(__NR_newfstatat, parent.get(), "", &owner, AT_EMPTY_PATH), kStep, path);
      Require(raw::Call(__NR_mkdirat, parent.get(), name.text(), 0755), kStep, path);
      Require(raw::Call(__NR_fchownat, parent.get(), name.text(), owner.st_uid, owner.st_gid,
                        AT_SYMLINK_NOFOLLOW),
              kStep, path);
      fd = OpenThroughNoLink(parent.get(), name.text());
    }
    parent.Reset(static_cast<int>(Require(fd, kStep, path)));
  }
}

UniqueFd CloneTree(const char* path, SetupStep step, const char* what) {
  return UniqueFd(static_cast<int>(
      Require(raw::OpenTree(AT_FDCWD, path, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC), step, what)));
}

// A detached, read-only overlay of `lowers`. Overlay has inodes of its own, and so locks and
// watches of its own.
UniqueFd ReadOnlyOverlay(const char* lowers, SetupStep step, const char* target) {
  UniqueFd context(static_cast<int>(Require(raw::FsOpen("overlay", FSOPEN_CLOEXEC), step, target)));
  Require(raw::FsConfig(context.get(), FSCONFIG_SET_STRING, "lowerdir", lowers, 0), step, target);
  Require(raw::FsConfig(context.get(), FSCONFIG_SET_FLAG, "userxattr", nullptr, 0), step, target);
  Require(raw::FsConfig(context.get(), FSCONFIG_CMD_CREATE, nullptr, nullptr, 0), step, target);
  return UniqueFd(static_cast<int>(
      Require(raw::FsMount(context.get(), FSMOUNT_CLOEXEC,
                           MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV),
              step, target)));
}

// What the mount `bind_fd`, consumed, has.
UniqueFd OwnViewOf(int bind_fd, const char* target) {
  constexpr SetupStep kStep = SetupStep::kMountBinds;
  (void)raw::Close(Attach(bind_fd, kBind, kStep));  // over that of the bind before, if any
  TextBuffer<32> lowers;                            // two at least, where there is no upper
  lowers.Add(kBind).Add(":").Add(kEmpty);
  return ReadOnlyOverlay(lowers.text(), kStep, target);
}

void HidePath(int target_fd, const char* path) {
  constexpr SetupStep kStep = SetupStep::kMaskProc;
  struct stat status;
  Require(raw::Call(__NR_newfstatat, target_fd, "", &status, AT_EMPTY_PATH), kStep, path);
  const char* source = S_ISDIR(status.st_mode) ? kEmpty : kNull;
  UniqueFd cover = CloneTree(source, kStep, path);
  Require(raw::MoveMount(cover.get(), "", target_fd, "",
                         MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH),
          kStep, path);
}

void MakeReadOnly(int target_fd, const char* path) {
  constexpr SetupStep kStep = SetupStep::kMaskProc;
  UniqueFd cover(static_cast<int>(
      Require(raw::OpenTree(target_fd, "",
                            OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_EMPTY_PATH | AT_RECURSIVE),
              kStep, path)));
  mount_attr attr{};
  attr.attr_set = MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC;
  // Not recursive: the covers below it are read-only already, and locked against changes.
  Require(raw::MountSetAttr(cover.get(), "", AT_EMPTY_PATH, attr), kStep, path);
  Require(raw::MoveMount(cover.get(), "", target_fd, "",
                         MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH),
          kStep, path);
}

// What a path shows now, opened anew: the cover, and not what was there or what was put on top of
// another place.
void RequireMask(const PlanMask& mask, const char* path) {
  constexpr SetupStep kStep = SetupStep::kCheckRoot;
  struct stat status;
  long found = raw::Call(__NR_newfstatat, AT_FDCWD, path, &status, AT_SYMLINK_NOFOLLOW);
  if (found == -ENOENT || found == -ENOTDIR) return;
  Require(found, kStep, path);
  bool covered = S_ISCHR(status.st_mode) && status.st_rdev == makedev(1, 3);
  if (S_ISDIR(status.st_mode)) {
    constexpr long kReadOnlyFlag = 1;  // ST_RDONLY
    struct statfs fs;
    Require(raw::Call(__NR_statfs, path, &fs), kStep, path);
    covered = mask.kind == kMaskHide ? fs.f_type == TMPFS_MAGIC
                                     : (static_cast<long>(fs.f_flags) & kReadOnlyFlag) != 0;
  }
  if (!covered) FailSetup(kStep, EXDEV, path);
}

// The same of a cache.
void RequireCache(const char* path) {
  constexpr SetupStep kStep = SetupStep::kCheckRoot;
  constexpr long kFlags = 1 | 2 | 4;  // ST_RDONLY ST_NOSUID ST_NODEV
  struct statfs fs;
  Require(raw::Call(__NR_statfs, path, &fs), kStep, path);
  const bool holds =
      fs.f_type == OVERLAYFS_SUPER_MAGIC && (static_cast<long>(fs.f_flags) & kFlags) == kFlags;
  if (!holds) FailSetup(kStep, EXDEV, path);
}

// The same of what says where names are asked.
void RequireResolver() {
  constexpr SetupStep kStep = SetupStep::kCheckRoot;
  constexpr const char* kPath = "/etc/resolv.conf";
  struct statfs fs;
  Require(raw::Call(__NR_statfs, kPath, &fs), kStep, kPath);
  if (fs.f_type != TMPFS_MAGIC) FailSetup(kStep, EXDEV, kPath);
}

void MountLimitedTmpfs(const char* target, unsigned long flags, uint64_t bytes, uint64_t inodes,
                       SetupStep step) {
  TextBuffer<96> options;
  options.Add("mode=1777,size=").AddNumber(bytes).Add(",nr_inodes=").AddNumber(inodes);
  Require(raw::Mount("tmpfs", target, "tmpfs", kNoSuid | kNoDev | flags, options.text()), step,
          target);
}

}  // namespace

void Rootfs::Stage() {
  constexpr SetupStep kStep = SetupStep::kStage;
  Require(raw::Mount(nullptr, "/", nullptr, kRecursivePrivate, nullptr), kStep, "make private");
  // The spawner's own tmpfs, of which this namespace has a copy, has the mount points ready: one
  // superblock less for every sandbox.
  Require(raw::Call(__NR_chdir, "/stage"), kStep, "/stage");
}

void Rootfs::AttachLayers() {
  constexpr SetupStep kStep = SetupStep::kAttachLayers;
  for (uint32_t i = 0; i < plan_.plan().layer_count; ++i) {
    TextBuffer<16> name;
    name.Add("l").AddNumber(i);
    (void)raw::Close(Attach(kInitLayersFd + static_cast<int>(i), name.text(), kStep));  // consumed
  }
  (void)raw::Close(Attach(kInitDiskFd, "u", kStep));    // consumed
  (void)raw::Close(Attach(kInitDeviceFd, "d", kStep));  // consumed
  // Over itself, where only the nodes need to be devices.
  UniqueFd empty = CloneTree("d/empty", kStep, "empty");
  mount_attr attr{};
  attr.attr_set = MOUNT_ATTR_NODEV;
  Require(raw::MountSetAttr(empty.get(), "", AT_EMPTY_PATH, attr), kStep, "empty");
  (void)Attach(empty.get(), "d/empty", kStep);
}

void Rootfs::MountOverlay() {
  constexpr SetupStep kStep = SetupStep::kMountOverlay;
  TextBuffer<kPathBytesMax> options;
  options.Add("lowerdir=");
  for (uint32_t i = 0; i < plan_.plan().layer_count; ++i) {
    if (i > 0) options.Add(":");
    options.Add("l").AddNumber(i);
    const char* subdirectory = plan_.Text(plan_.plan().layers[i].subdirectory);
    if (*subdirectory != 0) options.Add("/").Add(subdirectory);
  }
  // volatile: without it unmounting writes the disk out, and so does every fsync inside; nothing of
  // a sandbox has to survive a crash of the host. What is to be kept is written out when its disk
  // is sealed.
  options.Add(",upperdir=u/upper,workdir=u/work,userxattr,volatile");
  if (options.cut()) FailSetup(kStep, ENAMETOOLONG, "options over 4095 bytes");
  Require(raw::Mount("overlay", "r", "overlay", kNoSuid | kNoDev, options.text()), kStep,
          options.text());
  Require(raw::Call(__NR_chdir, "r"), kStep, "r");
  root_.Reset(static_cast<int>(
      Require(raw::OpenAt(AT_FDCWD, ".", O_PATH | O_DIRECTORY | O_CLOEXEC), kStep, "r")));
}

void Rootfs::MountBinds() {
  constexpr SetupStep kStep = SetupStep::kMountBinds;
  int fd = kInitLayersFd + static_cast<int>(plan_.plan().layer_count);
  for (uint32_t i = 0; i < plan_.plan().bind_count; ++i, ++fd) {
    const PlanBind& bind = plan_.plan().binds[i];
    const char* target = plan_.Text(bind.target);
    UniqueFd point = OpenMountPoint(root_.get(), target, bind.is_directory != 0);
    UniqueFd shown = bind.own_view != 0 ? OwnViewOf(fd, target) : UniqueFd(fd);  // consumed
    Require(raw::MoveMount(shown.get(), "", point.get(), "",
                           MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH),
            kStep, target);
  }
}

void Rootfs::MountCaches() {
  constexpr SetupStep kStep = SetupStep::kMountCaches;
  const LaunchPlan& plan = plan_.plan();
  int fd = kInitLayersFd + static_cast<int>(plan.layer_count + plan.bind_count);
  for (uint32_t i = 0; i < plan.cache_count; ++i) {
    const PlanCache& cache = plan.caches[i];
    const char* target = plan_.Text(cache.target);
    TextBuffer<kOptionBytesMax> lowers;
    for (uint32_t layer = 0; layer < cache.layer_count; ++layer, ++fd) {
      TextBuffer<16> name;
      name.Add("../l").AddNumber(layer);
      // Over a layer of the root, or of the cache before, which their overlays hold.
      (void)raw::Close(Attach(fd, name.text(), kStep));
      lowers.Add(name.text(), name.size()).Add("/").Add(plan_.Text(cache.subdirectory)).Add(":");
    }
    lowers.Add(kEmpty);
    if (lowers.cut()) FailSetup(kStep, ENAMETOOLONG, "layers of a cache");
    UniqueFd whole = ReadOnlyOverlay(lowers.text(), kStep, target);
    (void)Attach(whole.get(), kBind, kStep);  // a detached mount cannot be cloned
    UniqueFd inner = OpenPlainDirectory(whole.get(), plan_.Text(cache.shown), kStep, target);
    UniqueFd shown(static_cast<int>(
        Require(raw::OpenTree(inner.get(), "", OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_EMPTY_PATH),
                kStep, target)));
    UniqueFd point = OpenCacheTarget(root_.get(), target);
    Require(raw::MoveMount(shown.get(), "", point.get(), "",
                           MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH),
            kStep, target);
  }
}

void Rootfs::MountProc() {
  constexpr SetupStep kStep = SetupStep::kMountProc;
  RequireDirectory(root_.get(), "proc", kStep);
  Require(raw::Mount("proc", "proc", "proc", kNoSuid | kNoDev | kNoExec, "hidepid=ptraceable"),
          kStep, "proc");
  user_sysctls_.Reset(static_cast<int>(
      Require(raw::OpenAt(AT_FDCWD, "proc/sys/user", O_PATH | O_DIRECTORY | O_CLOEXEC), kStep,
              "proc/sys/user")));
  network_sysctls_.Reset(static_cast<int>(
      Require(raw::OpenAt(AT_FDCWD, "proc/sys/net/ipv4", O_PATH | O_DIRECTORY | O_CLOEXEC), kStep,
              "proc/sys/net/ipv4")));
}

void Rootfs::MaskProc() {
  for (uint32_t i = 0; i < plan_.plan().mask_count; ++i) {
    const PlanMask& mask = plan_.plan().masks[i];
    const char* path = plan_.Text(mask.path);
    long fd = OpenInRoot(root_.get(), path, 0);
    if (fd == -ENOENT || fd == -ENOTDIR) continue;
    UniqueFd target(static_cast<int>(Require(fd, SetupStep::kMaskProc, path)));
    if (mask.kind == kMaskHide) {
      HidePath(target.get(), path);
    } else {
      MakeReadOnly(target.get(), path);
    }
  }
}

void Rootfs::MountDev() {
  constexpr SetupStep kStep = SetupStep::kMountDev;
  const LaunchPlan& plan = plan_.plan();
  RequireDirectory(root_.get(), "dev", kStep);
  (void)Attach(CloneTree(kDevices, kStep, "dev").get(), "dev", kStep);
  // Without `max` one sandbox could have all terminals of the host (kernel.pty.max, 4096).
  Require(raw::Mount("devpts", "dev/pts", "devpts", kNoSuid | kNoExec,
                     "newinstance,ptmxmode=0666,mode=0620,max=256"),
          kStep, "dev/pts");
  MountLimitedTmpfs("dev/shm", kNoExec, plan.shm_bytes, plan.shm_inodes, kStep);
}

void Rootfs::MountTmp() {
  constexpr SetupStep kStep = SetupStep::kMountTmp;
  RequireDirectory(root_.get(), "tmp", kStep);
  MountLimitedTmpfs("tmp", 0, plan_.plan().tmp_bytes, plan_.plan().tmp_inodes, kStep);
}

void Rootfs::MountResolver() {
  constexpr SetupStep kStep = SetupStep::kMountResolver;
  constexpr const char* kName = "resolv.conf";
  if (plan_.plan().way_out == 0) return;
  RequireDirectory(root_.get(), "etc", kStep);
  UniqueFd etc = OpenPlainDirectory(root_.get(), "etc", kStep, "etc");
  long made =
      raw::OpenAt(etc.get(), kName, O_CREAT | O_EXCL | O_WRONLY | O_NOFOLLOW | O_CLOEXEC, 0644);
  if (made != -EEXIST) (void)raw::Close(static_cast<int>(Require(made, kStep, kName)));
  UniqueFd point(static_cast<int>(
      Require(raw::OpenAt(etc.get(), kName, O_PATH | O_NOFOLLOW | O_CLOEXEC), kStep, kName)));
  UniqueFd shown = CloneTree(kResolver, kStep, kName);
  Require(raw::MoveMount(shown.get(), "", point.get(), "",
                         MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH),
          kStep, kName);
}

void Rootfs::LimitNamespaces() {
  constexpr SetupStep kStep = SetupStep::kLimitNamespaces;
  if (plan_.plan().namespaces_allowed != 0) return user_sysctls_.Reset();
  for (const char* name :
       {"max_cgroup_namespaces", "max_ipc_namespaces", "max_mnt_namespaces", "max_net_namespaces",
        "max_pid_namespaces", "max_time_namespaces", "max_user_namespaces", "max_uts_namespaces"}) {
    UniqueFd fd(static_cast<int>(
        Require(raw::OpenAt(user_sysctls_.get(), name, O_WRONLY | O_CLOEXEC), kStep, name)));
    Require(raw::Write(fd.get(), "0", 1), kStep, name);
  }
  user_sysctls_.Reset();
}

void Rootfs::SetNetworkSysctls() {
  const auto set = [this](SetupStep step, const char* name, const char* value, size_t size) {
    UniqueFd fd(static_cast<int>(
        Require(raw::OpenAt(network_sysctls_.get(), name, O_WRONLY | O_CLOEXEC), step, name)));
    Require(raw::Write(fd.get(), value, size), step, name);
  };
  set(SetupStep::kAnyPort, "ip_unprivileged_port_start", "0", 1);
  if (plan_.plan().way_out != 0) set(SetupStep::kNoPacing, "tcp_congestion_control", "reno", 4);
  network_sysctls_.Reset();
}

void Rootfs::PivotRoot() {
  root_.Reset();
  Require(raw::PivotRoot(".", "."), SetupStep::kPivotRoot, "pivot_root");
}

void Rootfs::DetachOldRoot() {
  constexpr int kDetach = 2;  // MNT_DETACH
  constexpr SetupStep kStep = SetupStep::kDetachOldRoot;
  Require(raw::Call(__NR_umount2, ".", kDetach), kStep, "umount2");
  Require(raw::Call(__NR_chdir, "/"), kStep, "chdir");
}

void Rootfs::CheckRoot() {
  constexpr SetupStep kStep = SetupStep::kCheckRoot;
  char cwd[16];
  Require(raw::Call(__NR_getcwd, cwd, sizeof(cwd)), kStep, "getcwd");
  if (cwd[0] != '/' || cwd[1] != 0) FailSetup(kStep, EXDEV, "the cwd is not /");
  struct statfs fs;
  Require(raw::Call(__NR_statfs, "/", &fs), kStep, "statfs /");
  if (fs.f_type != OVERLAYFS_SUPER_MAGIC) FailSetup(kStep, EXDEV, "/ is not the overlay");
  Require(raw::Call(__NR_statfs, "/proc", &fs), kStep, "statfs /proc");
  if (fs.f_type != PROC_SUPER_MAGIC) FailSetup(kStep, EXDEV, "/proc is not proc");
  UniqueFd null_fd(static_cast<int>(
      Require(raw::OpenAt(AT_FDCWD, "/dev/null", O_RDWR | O_CLOEXEC), kStep, "/dev/null")));
  struct stat status;
  Require(raw::Call(__NR_fstat, null_fd.get(), &status), kStep, "/dev/null");
  if (!S_ISCHR(status.st_mode) || status.st_rdev != makedev(1, 3)) {
    FailSetup(kStep, ENODEV, "/dev/null is not 1:3");
  }
  for (uint32_t i = 0; i < plan_.plan().mask_count; ++i) {
    RequireMask(plan_.plan().masks[i], plan_.Text(plan_.plan().masks[i].path));
  }
  for (uint32_t i = 0; i < plan_.plan().cache_count; ++i) {
    RequireCache(plan_.Text(plan_.plan().caches[i].target));
  }
  if (plan_.plan().way_out != 0) RequireResolver();
  // The spawner's descriptors of its own template give way to the sandbox's node.
  for (int fd = 0; fd < 3; ++fd) Require(raw::Dup3(null_fd.get(), fd, 0), kStep, "dup3");
}

}  // namespace glovebox
