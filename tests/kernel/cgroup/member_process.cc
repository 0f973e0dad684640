#include "tests/kernel/cgroup/member_process.h"

#include <linux/sched.h>
#include <sched.h>
#include <signal.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>

#ifndef P_PIDFD
#define P_PIDFD 3
#endif

namespace glovebox {
namespace {

constexpr int kJoinFailed = 120;
constexpr int kUserFailed = 121;

[[noreturn]] void RunChild(const std::vector<UniqueFd>& tasks, uid_t uid,
                           const std::function<int()>& body) {
  for (const UniqueFd& fd : tasks) {
    if (write(fd.get(), "0", 1) != 1) _exit(kJoinFailed);
  }
  if (uid != 0 && syscall(SYS_setresuid, uid, uid, uid) != 0) _exit(kUserFailed);
  _exit(body());
}

}  // namespace

MemberProcess MemberProcess::Start(int directory_fd, const std::vector<UniqueFd>& tasks, uid_t uid,
                                   const std::function<int()>& body) {
  MemberProcess process;
  int pidfd = -1;
  clone_args args{};
  args.flags = CLONE_PIDFD;
  args.pidfd = reinterpret_cast<uint64_t>(&pidfd);
  args.exit_signal = SIGCHLD;
  if (directory_fd >= 0) {
    args.flags |= CLONE_INTO_CGROUP;
    args.cgroup = static_cast<uint64_t>(directory_fd);
  }
  const long pid = syscall(SYS_clone3, &args, sizeof args);
  if (pid == 0) RunChild(tasks, uid, body);
  if (pid < 0) {
    process.start_error_ = errno;
  } else {
    process.pidfd_.Reset(pidfd);
  }
  return process;
}

MemberProcess::~MemberProcess() {
  if (!pidfd_.valid() || reaped_) return;
  (void)syscall(SYS_pidfd_send_signal, pidfd_.get(), SIGKILL, nullptr, 0);  // it may have ended
  (void)Wait();                                                             // only to reap
}

MemberExit MemberProcess::Wait() {
  siginfo_t info{};
  while (waitid(static_cast<idtype_t>(P_PIDFD), static_cast<id_t>(pidfd_.get()), &info, WEXITED) <
             0 &&
         errno == EINTR) {
  }
  reaped_ = true;
  MemberExit result;
  (info.si_code == CLD_EXITED ? result.code : result.signal) = info.si_status;
  return result;
}

}  // namespace glovebox
