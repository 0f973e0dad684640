#include "init/exec_start.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <linux/prctl.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>

#include "init/clock.h"
#include "init/clone_on_stack.h"
#include "init/exec_child.h"
#include "init/exec_command.h"
#include "init/exec_end.h"
#include "init/exec_input.h"
#include "init/exec_output.h"
#include "init/shell_command.h"

namespace glovebox {
namespace {

// More than the default of 64 KiB: fewer wake-ups for a fast writer. 1 MiB each would meet the
// per-user limit (pipe-user-pages-soft) at 32 commands.
constexpr int kOutputPipeBytes = 256 * 1024;
constexpr uint64_t kChildStackBytes = 32 * 1024;
constexpr long kStoppedLookNs = 20'000'000;  // how often it is asked whether a child is stopped

// The command's sides; they close here once the child has its copies.
struct CommandEnds {
  UniqueFd input, output, error;
  UniqueFd control;
};

// What init makes for a command is the command's user's: a terminal, and pipes that are opened
// again by name (/dev/stdout). It has no CAP_CHOWN to hand them over afterwards, so for a moment
// its file-system ids are the user's.
class FileIds {
 public:
  explicit FileIds(const UserAccount& account) { Set(account.uid, account.gid); }
  FileIds(const FileIds&) = delete;
  FileIds& operator=(const FileIds&) = delete;
  ~FileIds() { Set(0, 0); }

 private:
  static void Set(uint32_t uid, uint32_t gid) {
    (void)raw::Call(__NR_setfsgid, gid);  // tell no error; the child checks its ids
    (void)raw::Call(__NR_setfsuid, uid);
  }
};

long OpenMaster(const UserAccount& account) {
  FileIds ids(account);
  return raw::OpenAt(AT_FDCWD, "/dev/pts/ptmx", O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);
}

long MakePipe(UniqueFd* read_end, UniqueFd* write_end) {
  int ends[2];
  long result = raw::Pipe2(ends, O_CLOEXEC);
  if (result < 0) return result;
  read_end->Reset(ends[0]);
  write_end->Reset(ends[1]);
  return 0;
}

long MakeOutputPipe(UniqueFd* ours, UniqueFd* theirs) {
  long result = MakePipe(ours, theirs);
  if (result < 0) return result;
  (void)raw::Fcntl(ours->get(), F_SETPIPE_SZ, kOutputPipeBytes);  // the default works as well
  return raw::Fcntl(ours->get(), F_SETFL, O_NONBLOCK);
}

long MakePipes(const Command& command, Exec* exec, CommandEnds* ends) {
  FileIds ids(command.account);
  long result = MakeOutputPipe(&exec->output[0], &ends->output);
  if (result >= 0) result = MakeOutputPipe(&exec->output[1], &ends->error);
  if (result < 0 || command.wire.stdin_mode == StdinMode::kNull) return result;
  result = MakePipe(&ends->input, &exec->input_fd);
  if (result >= 0) result = raw::Fcntl(exec->input_fd.get(), F_SETFL, O_NONBLOCK);
  return result < 0 ? result : PrepareInput(exec);
}

long MakeTerminal(const Command& command, Exec* exec, CommandEnds* ends) {
  long master = OpenMaster(command.account);
  if (master < 0) return master;
  exec->output[0].Reset(static_cast<int>(master));
  int unlock = 0;
  long result = raw::Ioctl(exec->output[0].get(), TIOCSPTLCK, &unlock);
  if (result < 0) return result;
  // Of the master itself, not of a name below /dev/pts.
  long slave = raw::Ioctl(exec->output[0].get(), TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC);
  if (slave < 0) return slave;
  ends->input.Reset(static_cast<int>(slave));
  struct winsize size {};
  size.ws_row = command.wire.rows;
  size.ws_col = command.wire.columns;
  result = raw::Ioctl(exec->output[0].get(), TIOCSWINSZ, &size);
  if (result < 0) return result;
  long again = raw::Fcntl(exec->output[0].get(), F_DUPFD_CLOEXEC, 3);
  if (again < 0) return again;
  exec->input_fd.Reset(static_cast<int>(again));
  return PrepareInput(exec);
}

// The kernel counts to a command's peak what its process had before its execve: init's memory.
uint64_t OwnPeakBytes() {
  rusage usage{};
  (void)raw::Call(__NR_getrusage, RUSAGE_SELF, &usage);  // cannot fail
  return static_cast<uint64_t>(usage.ru_maxrss) * 1024;
}

// Returns when the child has executed its program or is gone: the kernel clears `running` and wakes
// who waits for it then. CLONE_VFORK would wait as well, but for ever when somebody of the
// command's user, which the child has become by then, stops it. Such a one is killed, as that user
// could.
void AwaitExecve(int pidfd, uint32_t* running) {
  timespec patience{0, kStoppedLookNs};
  while (__atomic_load_n(running, __ATOMIC_ACQUIRE) != 0) {
    if (raw::Call(__NR_futex, running, FUTEX_WAIT, 1, &patience) != -ETIMEDOUT) continue;
    siginfo_t stopped{};
    // Takes nothing from who waits for its end.
    (void)raw::Call(__NR_waitid, P_PIDFD, pidfd, &stopped, WSTOPPED | WNOHANG | WNOWAIT, nullptr);
    if (stopped.si_pid != 0) (void)raw::PidfdSendSignal(pidfd, SIGKILL);  // it is our child
  }
}

CommandError CloneCommand(const PlanReader& plan, const Command& command, const CommandEnds& ends,
                          int program, Exec* exec, Refusals* refusals, EventSet* events) {
  // One child at a time: init does nothing but wait for it.
  alignas(16) static constinit char stack[kChildStackBytes] = {};
  static constinit uint32_t running = 0;
  running = 1;
  ChildTask task{&plan,   &command,        {}, refusals->sender(), ends.control.get(),
                 program, ExecStep::kNone, 0};
  int input = ends.input.valid() ? ends.input.get() : 0;  // init's 0 is /dev/null
  task.descriptors[0] = input;
  task.descriptors[1] = exec->terminal ? input : ends.output.get();
  task.descriptors[2] = exec->terminal ? input : ends.error.get();
  int pidfd = -1;
  clone_args args{};
  args.flags =
      CLONE_VM | CLONE_CHILD_CLEARTID | CLONE_PIDFD | CLONE_INTO_CGROUP | CLONE_CLEAR_SIGHAND;
  args.child_tid = reinterpret_cast<uintptr_t>(&running);
  args.exit_signal = SIGCHLD;
  args.pidfd = reinterpret_cast<uintptr_t>(&pidfd);
  args.stack = reinterpret_cast<uintptr_t>(stack);
  args.stack_size = sizeof(stack);
  args.cgroup = static_cast<uint64_t>(exec->cgroup.get());
  long pid = CloneOnStack(args, RunCommandChild, &task);
  if (pid < 0) return {ExecStep::kClone, static_cast<int>(-pid)};
  AwaitExecve(pidfd, &running);
  refusals->Take(exec->exec_no, events);
  exec->pidfd.Reset(pidfd);
  exec->pid = static_cast<int>(pid);
  exec->peak_inherited = OwnPeakBytes();
  // The child's change of ids went through the shared memory's flag.
  (void)raw::Prctl(PR_SET_DUMPABLE, 0);  // cannot fail
  if (task.failed_step == ExecStep::kNone) return {};
  (void)raw::Call(__NR_wait4, pid, nullptr, __WALL, nullptr);  // it is exiting; its report is here
  return {task.failed_step, task.error};
}

void TakeLimits(const ExecSpecWire& wire, int64_t now, Exec* exec) {
  exec->policy = wire.output_policy;
  exec->terminal = wire.terminal != 0;
  exec->keep_survivors = wire.keep_survivors != 0;
  exec->output_bytes_max = wire.output_bytes_max;
  exec->hold_limit_ns = wire.hold_limit_ms * kMillisecond;
  exec->idle_limit_ns = wire.idle_limit_ms * kMillisecond;
  exec->grace_ns = wire.term_grace_ms * kMillisecond;
  exec->drain_limit_ns = wire.drain_limit_ms * kMillisecond;
  if (wire.wall_limit_ms > 0) exec->wall_deadline_ns = now + wire.wall_limit_ms * kMillisecond;
  if (wire.idle_limit_ms > 0) exec->idle_deadline_ns = now + exec->idle_limit_ns;
}

long Watch(Exec* exec, uint32_t slot, EventSet* events) {
  long result = 0;
  if (exec->output[0].valid()) {
    result = events->Add(exec->output[0].get(), EPOLLIN, EventSource::kStdout, slot);
  }
  if (result >= 0 && exec->output[1].valid()) {
    result = events->Add(exec->output[1].get(), EPOLLIN, EventSource::kStderr, slot);
  }
  if (result >= 0 && exec->input_fd.valid()) {
    result = events->Add(exec->input_fd.get(), 0, EventSource::kStdin, slot);
  }
  return result;
}

CommandError StartCommand(const PlanReader& plan, UniqueFd log, int program, Exec* exec,
                          uint32_t slot, Refusals* refusals, EventSet* events) {
  CommandMemory memory;
  Command command;
  CommandError error =
      ReadCommand(plan, exec->region.spec(), exec->region.spec_size(), &memory, &command);
  if (error.error != 0) return error;
  TakeLimits(command.wire, exec->end.started_ns, exec);
  if (log.valid()) exec->log.Begin(static_cast<UniqueFd&&>(log), command.wire.full_log_bytes);
  CommandEnds ends;
  long made = exec->terminal ? MakeTerminal(command, exec, &ends) : MakePipes(command, exec, &ends);
  if (made >= 0 && command.wire.shell != 0) made = OpenShell(exec, slot, &ends.control, events);
  if (made >= 0) made = Watch(exec, slot, events);
  if (made < 0) return {ExecStep::kResources, static_cast<int>(-made)};
  return CloneCommand(plan, command, ends, program, exec, refusals, events);
}

}  // namespace

StartRefusal StartExec(const PlanReader& plan, uint32_t exec_no, StartDescriptors descriptors,
                       ExecTable* table, Refusals* refusals, EventSet* events) {
  if (exec_no == 0) return {EINVAL, "exec_no 0"};
  if (table->Find(exec_no) != nullptr) return {EEXIST, "exec_no is in use"};
  Exec* exec = table->Allocate(plan.plan().exec_max);
  if (exec == nullptr) return {EAGAIN, "exec_max execs are open"};
  long mapped = exec->region.Map(descriptors.region.get());
  if (mapped < 0) {
    table->Free(exec);
    return {static_cast<int>(-mapped), "exec region"};
  }
  uint32_t slot = table->SlotOf(*exec);
  exec->exec_no = exec_no;
  exec->region_fd = static_cast<UniqueFd&&>(descriptors.region);
  exec->cgroup = static_cast<UniqueFd&&>(descriptors.cgroup);
  exec->cgroup_kill = static_cast<UniqueFd&&>(descriptors.cgroup_kill);
  exec->end.exit_code = -1;
  exec->end.started_ns = MonotonicNs();
  table->NoteCompany(exec);
  exec->limits_before = table->limits().Read();
  CommandError error = StartCommand(plan, static_cast<UniqueFd&&>(descriptors.log),
                                    descriptors.program.get(), exec, slot, refusals, events);
  if (error.error != 0) {
    exec->end.cause = EndCause::kSpawnFailed;
    exec->end.failed_step = error.step;
    exec->end.error = error.error;
    FinishExec(exec, events);
    return {};
  }
  exec->started = true;
  exec->pending |= kPendingStarted;
  return {};
}

}  // namespace glovebox
