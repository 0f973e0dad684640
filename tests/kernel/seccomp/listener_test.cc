// Refusals that are told to a listener (RefusalForm::kTold): what the kernel does with them when
// the listener answers, when it is gone, and when a payload adds filters of its own.
#include <fcntl.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <functional>
#include <vector>

#include "base/unique_fd.h"
#include "gtest/gtest.h"
#include "launcher/seccomp_compiler.h"
#include "tests/support/must_run.h"

namespace glovebox {
namespace {

constexpr unsigned kListen = SECCOMP_FILTER_FLAG_NEW_LISTENER;

long Install(const std::vector<sock_filter>& program, unsigned flags) {
  sock_fprog filter{static_cast<unsigned short>(program.size()),
                    const_cast<sock_filter*>(program.data())};
  return syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, flags, &filter);
}

// Everything else is allowed.
std::vector<sock_filter> TellOf(uint32_t number) {
  return {BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
          BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, number, 0, 1),
          BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_USER_NOTIF),
          BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)};
}

int ErrnoOf(long number, long a = 0, long b = 0, long c = 0) {
  errno = 0;
  return syscall(number, a, b, c, 0L, 0L, 0L) < 0 ? errno : 0;
}

// Runs `body` in a child that may install filters; its result is the exit code.
int InChild(const std::function<int()>& body) {
  const pid_t pid = fork();
  if (pid == 0) {
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) _exit(200);
    _exit(body());
  }
  int status = -1;
  EXPECT_EQ(waitpid(pid, &status, 0), pid);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

// A process that answers all calls told to `listener` with `error` or, with 0, with "continue".
pid_t StartListening(int listener, int error) {
  const pid_t pid = fork();
  if (pid != 0) return pid;
  (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
  for (;;) {
    seccomp_notif told{};
    if (ioctl(listener, SECCOMP_IOCTL_NOTIF_RECV, &told) < 0) _exit(0);
    seccomp_notif_resp answer{};
    answer.id = told.id;
    answer.error = -error;
    answer.flags = error == 0 ? SECCOMP_USER_NOTIF_FLAG_CONTINUE : 0;
    (void)ioctl(listener, SECCOMP_IOCTL_NOTIF_SEND, &answer);
  }
}

const SeccompPrograms& Told() {
  static const auto* const programs =
      new SeccompPrograms(CompileSeccomp(SeccompTier::kBuild, RefusalForm::kTold));
  return *programs;
}

TEST(SeccompListener, ATakenListenerIsToldOfTheCallAndItsErrnoReachesTheCaller) {
  const int code = InChild([] {
    if (Install(Told().allow_list, 0) != 0) return 201;
    const long listener = Install(Told().argument_rules, kListen);
    if (listener < 0) return 202;
    if ((fcntl(static_cast<int>(listener), F_GETFD) & FD_CLOEXEC) == 0) return 203;
    const pid_t answerer = StartListening(static_cast<int>(listener), EXDEV);
    const int mount = ErrnoOf(SYS_mount), socket = ErrnoOf(SYS_socket, 38 /* ALG */);
    (void)kill(answerer, SIGKILL);
    if (mount != EXDEV || socket != EXDEV) return 204;
    return ErrnoOf(SYS_clone3) == ENOSYS && ErrnoOf(SYS_io_uring_setup) == ENOSYS ? 0 : 205;
  });
  EXPECT_EQ(code, 0);
}

TEST(SeccompListener, WithoutAListenerNoRefusedCallIsLetThrough) {
  const int code = InChild([] {
    if (Install(Told().allow_list, 0) != 0) return 201;
    // Filter A alone, as in init.
    if (ErrnoOf(SYS_mount) != ENOSYS || ErrnoOf(SYS_unshare, CLONE_NEWUTS) != ENOSYS) return 202;
    const long listener = Install(Told().argument_rules, kListen);
    if (listener < 0) return 203;
    (void)close(static_cast<int>(listener));
    for (long number : {SYS_mount, SYS_unshare, SYS_bpf, SYS_setns}) {
      if (ErrnoOf(number) != ENOSYS) return 204;
    }
    if (ErrnoOf(SYS_socket, AF_INET, SOCK_RAW, 1) != ENOSYS) return 205;
    return ErrnoOf(SYS_socket, AF_INET, SOCK_STREAM, 0) == 0 ? 0 : 206;
  });
  EXPECT_EQ(code, 0);
}

TEST(SeccompListener, ACallThatWaitsForALostListenerIsRefused) {
  const int code = InChild([] {
    if (Install(Told().allow_list, 0) != 0) return 201;
    const long listener = Install(Told().argument_rules, kListen);
    if (listener < 0) return 202;
    const pid_t caller = fork();
    if (caller == 0) {
      (void)close(static_cast<int>(listener));  // else the caller itself would keep it alive
      _exit(ErrnoOf(SYS_unshare, CLONE_NEWUTS));
    }
    pollfd told{static_cast<int>(listener), POLLIN, 0};
    if (poll(&told, 1, 10'000) != 1) return 203;
    (void)close(static_cast<int>(listener));
    int status = -1;
    (void)waitpid(caller, &status, 0);
    return WIFEXITED(status) && WEXITSTATUS(status) == ENOSYS ? 0 : 204;
  });
  EXPECT_EQ(code, 0);
}

// The attack: a payload whose own, newer filter has a listener that answers "continue".
int AttackByOwnListener(bool with_rule, bool ours_is_gone) {
  return InChild([=] {
    // Without the rule: ours as it would be if the table did not have it.
    const std::vector<sock_filter> ours = with_rule ? Told().argument_rules : TellOf(SYS_unshare);
    const long listener = Install(ours, kListen);
    if (listener < 0) return 201;
    if (ours_is_gone) (void)close(static_cast<int>(listener));
    const long own = Install(TellOf(SYS_unshare), kListen);
    if (own < 0) return errno == EBUSY ? 1 : 202;
    const pid_t answerer = StartListening(static_cast<int>(own), 0);
    const int error = ErrnoOf(SYS_unshare, CLONE_NEWUTS);
    (void)kill(answerer, SIGKILL);
    return error == 0 ? 0 : 203;
  });
}

TEST(SeccompListener, NoPayloadGetsAListenerThatCouldLetRefusedCallsThrough) {
  SKIP_UNLESS(geteuid() == 0, "unshare(CLONE_NEWUTS) asks for root");
  EXPECT_EQ(AttackByOwnListener(true, false), 1) << "refused with EBUSY";
  EXPECT_EQ(AttackByOwnListener(true, true), 1) << "also while init's listener is gone";
  EXPECT_EQ(AttackByOwnListener(false, false), 1) << "the kernel has one listener per process";
  EXPECT_EQ(AttackByOwnListener(false, true), 0)
      << "without the rule the call went through; else this test proves nothing";
}

TEST(SeccompListener, AFilterOfThePayloadWithoutAListenerTurnsNoRefusalIntoACall) {
  SKIP_UNLESS(geteuid() == 0, "unshare(CLONE_NEWUTS) asks for root");
  const int code = InChild([] {
    if (Install(Told().allow_list, 0) != 0) return 201;
    const long listener = Install(Told().argument_rules, kListen);
    if (listener < 0) return 202;
    const pid_t answerer = StartListening(static_cast<int>(listener), EPERM);
    for (uint32_t action : {uint32_t{SECCOMP_RET_ALLOW}, uint32_t{SECCOMP_RET_LOG},
                            uint32_t{SECCOMP_RET_TRACE}, uint32_t{SECCOMP_RET_USER_NOTIF}}) {
      std::vector<sock_filter> own = TellOf(SYS_unshare);
      own[2].k = action;
      if (Install(own, 0) != 0) return 203;
      const int error = ErrnoOf(SYS_unshare, CLONE_NEWUTS);
      const int expected = action == SECCOMP_RET_USER_NOTIF ? ENOSYS : EPERM;
      if (error != expected) return 204;
    }
    (void)kill(answerer, SIGKILL);
    return 0;
  });
  EXPECT_EQ(code, 0);
}

}  // namespace
}  // namespace glovebox
