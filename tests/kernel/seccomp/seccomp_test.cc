// The compiled filters in the kernel: forked children install both and make the calls for real.
// The form is kErrno; tests/kernel/seccomp/listener_test.cc has the other.
#include <fcntl.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
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
    const SeccompPrograms programs = CompileSeccomp(tier, RefusalForm::kErrno);
    const pid_t pid = fork();
    if (pid == 0) {
      if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 || !Install(programs.allow_list) ||
          !Install(programs.argument_rules)) {
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

// One number below 1024 in each tier, made for real with arguments with which none of the refused
// does harm, should it be let through: no pointer, descriptor, flag or size is valid.
TEST_F(SeccompKernel, EveryCallThatTheTableRefusesByNumberFailsForRealWithItsErrno) {
  constexpr uint32_t kNumbers = 1024;
  auto* answers = static_cast<int*>(mmap(nullptr, kNumbers * sizeof(int), PROT_READ | PROT_WRITE,
                                         MAP_SHARED | MAP_ANONYMOUS, -1, 0));
  ASSERT_NE(answers, MAP_FAILED);
  for (SeccompTier tier : kSeccompTiers) {
    std::vector<uint32_t> refused;
    for (uint32_t number = 0; number < kNumbers; ++number) {
      const SeccompRow* row = FindSeccompRow(number);
      if (row == nullptr || row->action(tier) != SeccompAction::kAllow) refused.push_back(number);
    }
    ASSERT_GT(refused.size(), 600u);
    std::fill(answers, answers + kNumbers, -1);
    EXPECT_EQ(ExitCode(tier,
                       [&] {
                         (void)setsid();  // nothing for vhangup to hang up
                         for (uint32_t number : refused) {
                           errno = 0;
                           const long result = syscall(number, -1L, -1L, -1L, -1L, -1L, -1L);
                           answers[number] = result < 0 ? errno : 0;
                         }
                         return 0;
                       }),
              0);
    for (uint32_t number : refused) {
      EXPECT_EQ(answers[number], JudgeSyscall(tier, {SeccompArch::kX86_64, number, {}}).error)
          << number << " in " << SeccompTierName(tier);
    }
  }
  (void)munmap(answers, kNumbers * sizeof(int));
}

// A call for which all tests of the rule hold: NotEqual is met by a value that no rule knows.
TEST_F(SeccompKernel, EveryArgumentRuleHoldsForReal) {
  for (SeccompTier tier : kSeccompTiers) {
    for (const ArgumentRule& rule : SeccompArgumentRules()) {
      if (!rule.applies(tier)) continue;
      SeccompCall call{SeccompArch::kX86_64, rule.number, {}};
      for (uint64_t& argument : call.arguments) argument = 0x700000000;
      for (const ArgumentTest& test : rule.tests) {
        call.arguments[test.argument] |=
            test.kind == ArgumentTest::Kind::kNotEqual ? 0x2345u : test.value;
      }
      const int expected = JudgeSyscall(tier, call).error;
      EXPECT_EQ(expected, rule.error) << rule.why;
      const auto& a = call.arguments;
      EXPECT_EQ(ErrnoOf(tier, rule.number, static_cast<long>(a[0]), static_cast<long>(a[1]),
                        static_cast<long>(a[2]), static_cast<long>(a[3])),
                expected)
          << rule.why << " in " << SeccompTierName(tier);
    }
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
  for (SeccompTier tier : kSeccompTiers) {
    const int filtered = Run(tier, call_32_bit);
    if (tier == SeccompTier::kI386) {
      EXPECT_EQ(filtered, 0) << "the tier that is for them";
      continue;
    }
    ASSERT_TRUE(WIFSIGNALED(filtered)) << SeccompTierName(tier);
    EXPECT_EQ(WTERMSIG(filtered), SIGSYS);
  }
}

TEST_F(SeccompKernel, The32BitCallsThatAreRefusedFailForReal) {
  // ebx is the only argument that these need.
  const auto call_32_bit = [](uint32_t number, uint32_t argument) {
    int result;
    asm volatile("int $0x80" : "=a"(result) : "a"(number), "b"(argument), "c"(5) : "memory");
    return result < 0 ? -result : 0;
  };
  const pid_t pid = fork();
  if (pid == 0) _exit(call_32_bit(20, 0) == 0 ? 0 : 1);
  int status = -1;
  ASSERT_EQ(waitpid(pid, &status, 0), pid);
  SKIP_UNLESS(status == 0, "the kernel has no ia32 emulation");
  for (const SeccompI386Row& row : SeccompI386Table()) {
    const SeccompVerdict verdict = JudgeSyscall(
        SeccompTier::kI386, {SeccompArch::kI386, row.number, {0xffffffff, 5, 0, 0, 0, 0}});
    if (verdict.error == 0) continue;
    EXPECT_EQ(ExitCode(SeccompTier::kI386, [&] { return call_32_bit(row.number, 0xffffffff); }),
              verdict.error)
        << row.name;
  }
  EXPECT_EQ(ExitCode(SeccompTier::kI386, [&] { return call_32_bit(359, 38); }), EAFNOSUPPORT)
      << "socket(AF_ALG)";
}

TEST_F(SeccompKernel, AnX32CallKillsTheProcess) {
  for (SeccompTier tier : kSeccompTiers) {
    const int status = Run(tier, [] {
      (void)syscall(0x40000000 | SYS_getpid);
      return 0;
    });
    ASSERT_TRUE(WIFSIGNALED(status)) << SeccompTierName(tier);
    EXPECT_EQ(WTERMSIG(status), SIGSYS);
  }
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
