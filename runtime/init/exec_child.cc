#include "init/exec_child.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "init/credentials.h"
#include "init/launch_plan.h"
#include "init/refusals.h"
#include "init/resource_limits.h"
#include "linux/bare_text.h"
#include "linux/raw_syscalls.h"

namespace glovebox {
namespace {

constexpr int kToldFd = 3;
constexpr int kProgramFd = kInitListenFd;  // so no other descriptor of init has that number

[[noreturn]] void Fail(ChildTask* task, ExecStep step, long result) {
  task->failed_step = step;
  task->error = static_cast<int>(-result);
  raw::ExitGroup(127);
}

void Do(ChildTask* task, ExecStep step, long result) {
  if (result < 0) Fail(task, step, result);
}

void PlaceDescriptors(ChildTask* task) {
  constexpr ExecStep kStep = ExecStep::kDescriptors;
  for (int i = 0; i < 3; ++i) {
    // Sources are above 2: init's own 0, 1 and 2 are open, or the source is init's /dev/null at 0.
    if (task->descriptors[i] != i) Do(task, kStep, raw::Dup3(task->descriptors[i], i, 0));
  }
  if (task->program >= 0) Do(task, kStep, raw::Dup3(task->program, kProgramFd, O_CLOEXEC));
  if (task->told != kToldFd) Do(task, kStep, raw::Dup3(task->told, kToldFd, O_CLOEXEC));
  // What is left goes with the execve.
  if (task->program >= 0) return Do(task, kStep, raw::CloseRange(kProgramFd + 1, ~0U, 0));
  if (task->control < 0) return Do(task, kStep, raw::CloseRange(kToldFd + 1, ~0U, 0));
  Do(task, kStep, raw::Dup3(task->control, kShellControlFd, 0));  // from above it, see OpenShell
  Do(task, kStep, raw::CloseRange(kToldFd + 1, kShellControlFd - 1, 0));
  Do(task, kStep, raw::CloseRange(kShellControlFd + 1, ~0U, 0));
}

void BecomeUser(ChildTask* task, uint64_t capabilities) {
  const UserAccount& account = task->command->account;
  constexpr ExecStep kUser = ExecStep::kUser;
  // While there is SETPCAP; the change of uid takes it away.
  Do(task, ExecStep::kCapabilities, LimitCommandBounding(task->plan->plan(), capabilities));
  Do(task, kUser, raw::SetGroups(account.group_count, account.groups));
  Do(task, kUser, raw::SetResGid(account.gid));
  Do(task, kUser, raw::SetResUid(account.uid));
  unsigned real, effective, saved;
  Do(task, kUser, raw::Call(__NR_getresuid, &real, &effective, &saved));
  if (real != account.uid || effective != account.uid || saved != account.uid) {
    Fail(task, kUser, -EPERM);
  }
  Do(task, ExecStep::kCapabilities, SetCommandCapabilities(capabilities));
}

void EnterDirectory(ChildTask* task) {
  constexpr ExecStep kStep = ExecStep::kWorkingDirectory;
  Do(task, kStep, raw::Call(__NR_chdir, task->command->cwd));
  char cwd[kPathBytesMax];
  Do(task, kStep, raw::Call(__NR_getcwd, cwd, sizeof(cwd)));
  if (cwd[0] != '/') Fail(task, kStep, -EXDEV);  // "(unreachable)": outside of the root
}

const char* SearchPath(const Command& command) {
  for (const char** variable = command.envp; *variable != nullptr; ++variable) {
    if (StartsWith(*variable, "PATH=")) return *variable + 5;
  }
  return "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
}

// Why an execve failed. The kernel says ENOENT (EACCES) of the file also when it is the file's
// interpreter that is missing (not to be executed).
struct ExecuteFailure {
  ExecStep step = ExecStep::kExecve;
  long result = -ENOENT;
};

ExecuteFailure Explain(const char* path, long result) {
  struct stat status;
  bool is_file = raw::Call(__NR_stat, path, &status) >= 0 && S_ISREG(status.st_mode);
  int wanted = result == -ENOENT ? F_OK : X_OK;
  bool interpreter = (result == -ENOENT || result == -EACCES) && is_file &&
                     raw::Call(__NR_access, path, wanted) >= 0;
  return {interpreter ? ExecStep::kInterpreter : ExecStep::kExecve, result};
}

// execvp(3) without its shell for ENOEXEC. Returns what made it fail: EACCES when some entry was
// there but not to be executed, as execvp does; an entry whose interpreter is missing before none.
ExecuteFailure Execute(const Command& command) {
  const char* name = command.argv[0];
  size_t name_size = TextSize(name);
  if (FindChar(name, name_size, '/') < name_size) {
    return Explain(name, raw::Execve(name, command.argv, command.envp));
  }
  const char* path = SearchPath(command);
  size_t path_size = TextSize(path);
  ExecuteFailure failure;
  for (size_t at = 0; at <= path_size;) {
    size_t size = FindChar(path + at, path_size - at, ':');
    TextBuffer<kPathBytesMax> candidate;
    if (size > 0) candidate.Add(path + at, size).Add("/");  // an empty entry is the cwd
    candidate.Add(name, name_size);
    at += size + 1;
    if (candidate.cut()) continue;
    long result = raw::Execve(candidate.text(), command.argv, command.envp);
    if (result == -ENOTDIR) continue;
    ExecuteFailure here = Explain(candidate.text(), result);
    if (result != -EACCES && result != -ENOENT) return here;
    bool first = failure.result == -ENOENT && failure.step == ExecStep::kExecve;
    if (first) failure = here;
  }
  return failure;
}

}  // namespace

void RunCommandChild(void* argument) {
  auto* task = static_cast<ChildTask*>(argument);
  const Command& command = *task->command;
  const LaunchPlan& plan = task->plan->plan();
  uint64_t capabilities =
      plan.root_inside != 0 && command.account.uid == 0 ? plan.payload_capabilities : 0;
  Do(task, ExecStep::kSession, raw::Call(__NR_setsid));
  if (command.wire.terminal != 0) {
    Do(task, ExecStep::kSession, raw::Ioctl(task->descriptors[0], TIOCSCTTY, 0));
  }
  PlaceDescriptors(task);
  uint64_t no_signals = 0;  // dispositions are defaults already: CLONE_CLEAR_SIGHAND
  Do(task, ExecStep::kResetSignals,
     raw::Call(__NR_rt_sigprocmask, 2 /* SIG_SETMASK */, &no_signals, nullptr, 8));
  Do(task, ExecStep::kDescriptors, LimitCommand(plan));
  BecomeUser(task, capabilities);
  EnterDirectory(task);
  Do(task, ExecStep::kFilter, InstallCommandFilter(*task->plan, kToldFd));
  if (task->program >= 0) {
    Fail(task, ExecStep::kExecve,
         raw::ExecveAt(kProgramFd, "", command.argv, command.envp, AT_EMPTY_PATH));
  }
  ExecuteFailure failure = Execute(command);
  Fail(task, failure.step, failure.result);
}

}  // namespace glovebox
