// The compiled filters in the kernel: forked children install both and make the calls for real.
#include <fcntl.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <functional>
#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "launcher/seccomp_compiler.h"
#include "tests/support/must_run.h"

namespace glovebox {
namespace {

constexpr int kInstallFailed = 201;

bool Install(const std::vector<sock_filter>& program) {
  sock_fprog filter{static_cast<unsigned short>(program.size()),
                    const_cast<sock_filter*>(program.data())};
  return syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &filter) == 0;
}

class SeccompKernel : public ::testing::Test {
 protected:
  // The wait status of a child that runs `body` under both filters of `tier`.
  static int Run(SeccompTier tier, const std::function<int()>& body) {
    absl::StatusOr<SeccompPrograms> programs = CompileSeccomp(tier);
    EXPECT_TRUE(programs.ok()) << programs.status();
    if (!programs.ok()) return -1;
    const pid_t pid = fork();
    if (pid == 0) {
      if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 || !Install(programs->allow_list) ||
          !Install(programs->argument_rules)) {
        _exit(kInstallFailed);
      }
      _exit(body());
    }
    int status = -1;
    EXPECT_EQ(waitpid(pid, &status, 0), pid);
    return status;
  }

  static int ExitCode(SeccompTier tier, const std::function<int()>& body) {
    const int status = Run(tier, body);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  }

  // The errno that a call of this number with these arguments gets, 0 for none.
  static int ErrnoOf(SeccompTier tier, long number, long a = 0, long b = 0, long c = 0,
                     long d = 0) {
    return ExitCode(tier, [=] {
      errno = 0;
      return syscall(number, a, b, c, d, 0L, 0L) < 0 ? errno : 0;
    });
  }

  static int Command(SeccompTier tier, std::vector<const char*> argv) {
    argv.push_back(nullptr);
    return ExitCode(tier, [&] {
      (void)execv(argv[0], const_cast<char* const*>(argv.data()));
      return 127;
    });
  }
};

TEST_F(SeccompKernel, RefusedCallsFailForRealWithTheErrnoOfTheTable) {
  // Arguments with which none of them does harm, should it be let through.
  const long path = reinterpret_cast<long>("/nonexistent");
  for (SeccompTier tier : {SeccompTier::kStrict, SeccompTier::kBuild}) {
    EXPECT_EQ(ErrnoOf(tier, SYS_mount, path, path, path), EPERM);
    EXPECT_EQ(ErrnoOf(tier, SYS_umount2, path), EPERM);
    EXPECT_EQ(ErrnoOf(tier, SYS_chroot, path), EPERM);
    EXPECT_EQ(ErrnoOf(tier, SYS_unshare, CLONE_NEWUSER), EPERM);
    EXPECT_EQ(ErrnoOf(tier, SYS_setns, -1, 0), EPERM);
    EXPECT_EQ(ErrnoOf(tier, SYS_bpf, 0, 0, 0), EPERM);
    EXPECT_EQ(ErrnoOf(tier, SYS_keyctl, 0), EPERM);
    EXPECT_EQ(ErrnoOf(tier, SYS_userfaultfd, 0), EPERM);
    EXPECT_EQ(ErrnoOf(tier, SYS_open_by_handle_at, -1, 0, 0), EPERM);
    EXPECT_EQ(ErrnoOf(tier, SYS_io_uring_setup, 1, 0), ENOSYS);
    EXPECT_EQ(ErrnoOf(tier, SYS_clone3, 0, 0), ENOSYS);
    EXPECT_EQ(ErrnoOf(tier, SYS_fsopen, path, 0), ENOSYS);
    EXPECT_EQ(ErrnoOf(tier, 1000), ENOSYS);
  }
}

TEST_F(SeccompKernel, WithoutTheFiltersTheSameCallsGetOtherAnswers) {
  const pid_t pid = fork();
  if (pid == 0) {
    errno = 0;
    const bool mount_differs =
        syscall(SYS_mount, "/x", "/nonexistent", "/x", 0, 0) < 0 && errno == ENOENT;
    const bool unshare_differs = syscall(SYS_unshare, CLONE_NEWUTS) == 0;
    _exit(mount_differs && unshare_differs ? 0 : 1);
  }
  int status = -1;
  ASSERT_EQ(waitpid(pid, &status, 0), pid);
  EXPECT_EQ(status, 0) << "else the tests above prove nothing";
}

TEST_F(SeccompKernel, ArgumentsAreJudgedOn32Bits) {
  constexpr long kGarbage = 0x700000000;
  constexpr SeccompTier kTier = SeccompTier::kBuild;
  EXPECT_EQ(ErrnoOf(kTier, SYS_ioctl, -1, 0x5412), EPERM);
  EXPECT_EQ(ErrnoOf(kTier, SYS_ioctl, -1, kGarbage | 0x5412), EPERM);
  EXPECT_EQ(ErrnoOf(kTier, SYS_ioctl, -1, 0x5413), EBADF) << "others reach the kernel";
  EXPECT_EQ(ErrnoOf(kTier, SYS_socket, kGarbage | 38, SOCK_SEQPACKET), EAFNOSUPPORT);
  EXPECT_EQ(ErrnoOf(kTier, SYS_socket, AF_INET, SOCK_RAW, 1), EPERM);
  EXPECT_EQ(ErrnoOf(kTier, SYS_socket, AF_NETLINK, SOCK_RAW, 12), EPROTONOSUPPORT);
  EXPECT_EQ(ErrnoOf(kTier, SYS_socket, AF_NETLINK, SOCK_RAW, 0), 0);
  EXPECT_EQ(ErrnoOf(kTier, SYS_socket, AF_INET6, SOCK_STREAM, 0), 0);
  EXPECT_EQ(ErrnoOf(kTier, SYS_socketpair, AF_INET, SOCK_STREAM, 0, 0), EAFNOSUPPORT);
  EXPECT_EQ(ErrnoOf(kTier, SYS_clone, CLONE_NEWUSER | SIGCHLD), EPERM);
  EXPECT_EQ(ErrnoOf(kTier, SYS_personality, 0x0400000), EPERM);
  EXPECT_EQ(ErrnoOf(kTier, SYS_personality, 0xffffffff), 0);
  EXPECT_EQ(ErrnoOf(kTier, SYS_mknodat, -1, reinterpret_cast<long>("x"), S_IFCHR | 0600), EPERM);
  EXPECT_EQ(ErrnoOf(kTier, SYS_mknodat, -1, reinterpret_cast<long>("x"), S_IFIFO | 0600), EBADF);
}

TEST_F(SeccompKernel, OnlyTheBuildTierReachesPtrace) {
  EXPECT_EQ(ErrnoOf(SeccompTier::kStrict, SYS_ptrace, 16, -1), EPERM);
  EXPECT_EQ(ErrnoOf(SeccompTier::kBuild, SYS_ptrace, 16, -1), ESRCH) << "PTRACE_ATTACH to nobody";
}

TEST_F(SeccompKernel, A32BitCallKillsTheProcess) {
  const auto call_32_bit = [] {
    long result;
    asm volatile("int $0x80" : "=a"(result) : "a"(20L) : "memory");  // getpid of i386
    return result > 0 ? 0 : 1;
  };
  const pid_t pid = fork();
  if (pid == 0) _exit(call_32_bit());
  int status = -1;
  ASSERT_EQ(waitpid(pid, &status, 0), pid);
  SKIP_UNLESS(WIFEXITED(status) && WEXITSTATUS(status) == 0, "the kernel has no ia32 emulation");
  const int filtered = Run(SeccompTier::kBuild, call_32_bit);
  ASSERT_TRUE(WIFSIGNALED(filtered));
  EXPECT_EQ(WTERMSIG(filtered), SIGSYS);
}

TEST_F(SeccompKernel, AnX32CallKillsTheProcess) {
  const int status = Run(SeccompTier::kBuild, [] {
    (void)syscall(0x40000000 | SYS_getpid);
    return 0;
  });
  ASSERT_TRUE(WIFSIGNALED(status));
  EXPECT_EQ(WTERMSIG(status), SIGSYS);
}

TEST_F(SeccompKernel, OrdinaryToolsRunUnderStrict) {
  constexpr SeccompTier kTier = SeccompTier::kStrict;
  EXPECT_EQ(
      Command(kTier, {"/bin/bash", "-c", "for i in 1 2 3; do (echo $i); done | wc -l | grep -q 3"}),
      0);
  EXPECT_EQ(Command(kTier, {"/usr/bin/python3", "-c",
                            "import threading, subprocess, socket, os\n"
                            "t = threading.Thread(target=lambda: None); t.start(); t.join()\n"
                            "assert subprocess.run(['true']).returncode == 0\n"
                            "a, b = socket.socketpair(); a.send(b'x'); assert b.recv(1) == b'x'\n"
                            "os.getrandom(8)\n"}),
            0);
  EXPECT_EQ(Command(kTier, {"/bin/sh", "-c",
                            "set -e; d=$(mktemp -d); cd $d; "
                            "echo 'int main(void){return 0;}' > a.c; gcc a.c -o a; ./a; "
                            "cd /; rm -r $d"}),
            0);
}

}  // namespace
}  // namespace glovebox
