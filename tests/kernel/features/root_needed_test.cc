// What an unprivileged user's own user namespace does not get from the kernel, and a sandbox is
// made of: the reasons of docs/decisions/0016-root-of-the-host.md, each asked of the kernel that
// runs. The other side, that root has them, is in every kernel test.
#include <fcntl.h>
#include <linux/mount.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <functional>
#include <string>

#include "base/unique_fd.h"
#include "gtest/gtest.h"
#include "tests/support/temporary_directory.h"

namespace glovebox {
namespace {

constexpr uid_t kNobody = 65534;

bool Write(const char* path, const std::string& text) {
  const UniqueFd fd(::open(path, O_WRONLY | O_CLOEXEC));
  return ::write(fd.get(), text.data(), text.size()) == static_cast<ssize_t>(text.size());
}

// Runs `ask` as nobody, root of a user and a mount namespace of its own with one id, and returns
// its errno; 0: it succeeded; -1: it could not be asked.
int InOwnNamespace(const std::function<bool()>& ask) {
  const pid_t child = ::fork();
  if (child == 0) {
    // By system calls: the C library's would ask other threads too. Changed ids make a process
    // undumpable, and its /proc files root's.
    const bool there = ::syscall(SYS_setresgid, kNobody, kNobody, kNobody) == 0 &&
                       ::syscall(SYS_setresuid, kNobody, kNobody, kNobody) == 0 &&
                       ::prctl(PR_SET_DUMPABLE, 1) == 0 &&
                       ::unshare(CLONE_NEWUSER | CLONE_NEWNS) == 0;
    if (!there) ::_exit(255);
    errno = 0;
    ::_exit(ask() ? 0 : errno);
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  if (!WIFEXITED(status) || WEXITSTATUS(status) == 255) return -1;
  return WEXITSTATUS(status);
}

bool TakeOneId() {
  return Write("/proc/self/uid_map", "0 65534 1\n") && Write("/proc/self/setgroups", "deny") &&
         Write("/proc/self/gid_map", "0 65534 1\n");
}

TEST(WithoutRoot, OneIdIsToBeHadAndNoRange) {
  EXPECT_EQ(InOwnNamespace(TakeOneId), 0);
  EXPECT_EQ(InOwnNamespace([] { return Write("/proc/self/uid_map", "0 65534 65536\n"); }), EPERM);
}

TEST(WithoutRoot, NoDiskWithLimitsOfItsOwnIsToBeHad) {
  const auto loop = [] { return ::open("/dev/loop-control", O_RDWR | O_CLOEXEC) >= 0; };
  const int refused = InOwnNamespace([&] { return TakeOneId() && loop(); });
  EXPECT_TRUE(refused == EACCES || refused == EPERM) << strerror(refused);
  const auto mount = [] {
    const UniqueFd context(static_cast<int>(::syscall(SYS_fsopen, "ext4", FSOPEN_CLOEXEC)));
    return ::syscall(SYS_fsconfig, context.get(), FSCONFIG_SET_STRING, "source", "/dev/loop0", 0) ==
               0 &&
           ::syscall(SYS_fsconfig, context.get(), FSCONFIG_CMD_CREATE, nullptr, nullptr, 0) == 0;
  };
  EXPECT_EQ(InOwnNamespace([&] { return TakeOneId() && mount(); }), EPERM);
}

TEST(WithoutRoot, FilesOfTheHostCannotBeShownWithOtherIds) {
  const TemporaryDirectory directory;
  ASSERT_EQ(::chmod(directory.path().c_str(), 0755), 0);
  const auto show = [&] {
    const UniqueFd tree(static_cast<int>(::syscall(
        SYS_open_tree, AT_FDCWD, directory.path().c_str(), OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC)));
    const UniqueFd ids(::open("/proc/self/ns/user", O_RDONLY | O_CLOEXEC));
    if (!tree.valid() || !ids.valid()) return false;
    struct mount_attr attributes {};
    attributes.attr_set = MOUNT_ATTR_IDMAP;
    attributes.userns_fd = static_cast<uint64_t>(ids.get());
    return ::syscall(SYS_mount_setattr, tree.get(), "", AT_EMPTY_PATH, &attributes,
                     sizeof attributes) == 0;
  };
  EXPECT_EQ(InOwnNamespace([&] { return TakeOneId() && show(); }), EPERM);
}

}  // namespace
}  // namespace glovebox
