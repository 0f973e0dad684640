#include "tests/bench/floor_sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "base/unique_fd.h"
#include "linux/process.h"

namespace glovebox::bench {
namespace {

constexpr uint64_t kNamespaces = CLONE_NEWUSER | CLONE_NEWPID | CLONE_NEWNS | CLONE_NEWNET |
                                 CLONE_NEWIPC | CLONE_NEWUTS | CLONE_NEWCGROUP;
// Inside ids 0..65535; nothing else on the machine need own them for this.
constexpr char kIdMap[] = "0 1879048192 65536\n";
// Where the child stopped is its exit code: 100 and the number of the step.
constexpr int kStepCode = 100;

struct Pipe {
  UniqueFd reader;
  UniqueFd writer;

  static absl::StatusOr<Pipe> Make() {
    int fds[2];
    if (pipe2(fds, O_CLOEXEC) != 0) return ErrnoError(errno, "pipe2");
    return Pipe{UniqueFd(fds[0]), UniqueFd(fds[1])};
  }
};

[[noreturn]] void Stop(int step) { _exit(kStepCode + step); }

// In the child of a fork-like clone of a single-threaded process: any call is allowed.
[[noreturn]] void ChildMain(const char* root, const char* program, int go_fd, int output_fd) {
  char go = 0;
  if (read(go_fd, &go, 1) != 1) Stop(1);
  if (setresgid(0, 0, 0) != 0 || setresuid(0, 0, 0) != 0) Stop(2);
  if (mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0) Stop(3);
  if (mount(root, root, nullptr, MS_BIND, nullptr) != 0) Stop(4);
  if (chdir(root) != 0) Stop(5);
  if (mount("proc", "proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, nullptr) != 0) Stop(6);
  if (mount("tmp", "tmp", "tmpfs", MS_NOSUID | MS_NODEV, "size=64k") != 0) Stop(7);
  if (syscall(SYS_pivot_root, ".", ".") != 0) Stop(8);
  if (umount2(".", MNT_DETACH) != 0 || chdir("/") != 0) Stop(9);
  if (mount(nullptr, "/", nullptr, MS_REMOUNT | MS_BIND | MS_RDONLY, nullptr) != 0) Stop(10);
  if (fcntl(output_fd, F_SETFD, 0) != 0 || output_fd == 1) Stop(11);
  if (dup2(output_fd, 1) != 1) Stop(12);
  char* const arguments[] = {const_cast<char*>(program), nullptr};
  char* const environment[] = {nullptr};
  (void)execve(program, arguments, environment);  // returns only when it failed
  Stop(13);
}

absl::Status WriteMap(pid_t pid, const char* name) {
  const std::string path = absl::StrCat("/proc/", pid, "/", name);
  UniqueFd fd(open(path.c_str(), O_WRONLY | O_CLOEXEC));
  if (!fd.valid()) return ErrnoError(errno, path);
  if (write(fd.get(), kIdMap, sizeof kIdMap - 1) < 0) return ErrnoError(errno, path);
  return absl::OkStatus();
}

struct FloorChild {
  pid_t pid = -1;
  UniqueFd pidfd;
  UniqueFd output;

  absl::Status Reap() const {
    int status = 0;
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR) {
    }
    bool killed = WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL;
    if (killed || (WIFEXITED(status) && WEXITSTATUS(status) == 0)) return absl::OkStatus();
    if (WIFEXITED(status) && WEXITSTATUS(status) > kStepCode) {
      return absl::FailedPreconditionError(absl::StrCat(
          "the floor's child failed at step ", WEXITSTATUS(status) - kStepCode, " of ChildMain"));
    }
    return absl::FailedPreconditionError(absl::StrCat("the floor's program ended with ", status));
  }
};

absl::StatusOr<FloorChild> Launch(const std::string& root, const std::string& program) {
  ASSIGN_OR_RETURN(Pipe go, Pipe::Make());
  ASSIGN_OR_RETURN(Pipe output, Pipe::Make());
  int pidfd = -1;
  clone_args arguments{};
  arguments.flags = kNamespaces | CLONE_PIDFD;
  arguments.pidfd = reinterpret_cast<uint64_t>(&pidfd);
  arguments.exit_signal = SIGCHLD;
  long pid = syscall(SYS_clone3, &arguments, sizeof arguments);
  if (pid < 0) return ErrnoError(errno, "clone3 with seven namespaces");
  if (pid == 0) {
    ChildMain(root.c_str(), program.c_str(), go.reader.get(), output.writer.get());
  }
  FloorChild child{static_cast<pid_t>(pid), UniqueFd(pidfd), std::move(output.reader)};
  absl::Status mapped = WriteMap(child.pid, "uid_map");
  if (mapped.ok()) mapped = WriteMap(child.pid, "gid_map");
  if (mapped.ok() && write(go.writer.get(), "g", 1) != 1) mapped = ErrnoError(errno, "write(go)");
  if (!mapped.ok()) {
    go.writer.Reset();  // the child's read ends, and it with it
    (void)child.Reap();
    return mapped;
  }
  return child;
}

absl::Status AwaitByte(int fd) {
  char byte = 0;
  ssize_t size = 0;
  while ((size = read(fd, &byte, 1)) < 0 && errno == EINTR) {
  }
  return size == 1 ? absl::OkStatus() : absl::UnavailableError("no output");
}

}  // namespace

absl::StatusOr<Measurement> TimeFloorSandbox(const std::string& root, const std::string& program) {
  Measurement times;
  double start = NowUs();
  ASSIGN_OR_RETURN(FloorChild child, Launch(root, program));
  absl::Status byte = AwaitByte(child.output.get());
  times["first_byte"] = NowUs() - start;
  RETURN_IF_ERROR(child.Reap());
  times["end"] = NowUs() - start;
  RETURN_IF_ERROR(byte);
  return times;
}

absl::StatusOr<Measurement> TimeFloorEnd(const std::string& root, const std::string& program) {
  ASSIGN_OR_RETURN(FloorChild child, Launch(root, program));
  absl::Status byte = AwaitByte(child.output.get());
  double start = NowUs();
  (void)SignalPidFd(child.pidfd.get(), SIGKILL);
  RETURN_IF_ERROR(child.Reap());
  double end = NowUs() - start;
  RETURN_IF_ERROR(byte);
  return Measurement{{"end", end}};
}

}  // namespace glovebox::bench
