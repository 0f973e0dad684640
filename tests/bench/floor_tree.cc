#include "tests/bench/floor_tree.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <utility>

#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "base/unique_fd.h"
#include "linux/file_io.h"

namespace glovebox::bench {
namespace {

// Removed, with what still runs in it, by the destructor.
class Group {
 public:
  static absl::StatusOr<Group> Make() {
    for (const char* top : {"/sys/fs/cgroup/unified", "/sys/fs/cgroup"}) {
      if (access(absl::StrCat(top, "/cgroup.controllers").c_str(), F_OK) != 0) continue;
      Group group(absl::StrCat(top, "/glovebox-bench-tree-", getpid()));
      if (mkdir(group.path_.c_str(), 0755) != 0) return ErrnoError(errno, group.path_);
      return group;
    }
    return absl::UnavailableError("no cgroup v2 tree is mounted");
  }
  Group(Group&& other) noexcept : path_(std::exchange(other.path_, "")) {}
  Group& operator=(Group&&) = delete;
  ~Group() {
    if (path_.empty()) return;
    (void)Kill();
    Reap();
    (void)rmdir(path_.c_str());  // one that is still in use is seen by whoever looks
  }

  absl::StatusOr<UniqueFd> Open() const { return OpenAt(AT_FDCWD, path_, O_RDONLY | O_DIRECTORY); }
  absl::Status Kill() const {
    ASSIGN_OR_RETURN(UniqueFd fd, OpenAt(AT_FDCWD, path_ + "/cgroup.kill", O_WRONLY));
    return WriteAll(fd.get(), "1");
  }
  // Until the caller has no child left; orphans become its children one after another.
  static void Reap() {
    while (waitpid(-1, nullptr, 0) > 0 || errno == EINTR) {
    }
  }

 private:
  explicit Group(std::string path) : path_(std::move(path)) {}
  std::string path_;
};

// The reading end of its stdout.
absl::StatusOr<UniqueFd> Start(const Group& group, const std::string& program) {
  int fds[2];
  if (pipe2(fds, O_CLOEXEC) != 0) return ErrnoError(errno, "pipe2");
  UniqueFd reader(fds[0]);
  UniqueFd writer(fds[1]);
  ASSIGN_OR_RETURN(UniqueFd directory, group.Open());
  clone_args arguments{};
  arguments.flags = CLONE_INTO_CGROUP;
  arguments.exit_signal = SIGCHLD;
  arguments.cgroup = static_cast<uint64_t>(directory.get());
  const long pid = syscall(SYS_clone3, &arguments, sizeof arguments);
  if (pid < 0) return ErrnoError(errno, "clone3 into a cgroup");
  if (pid == 0) {
    char* const words[] = {const_cast<char*>(program.c_str()), nullptr};
    char* const environment[] = {nullptr};
    if (dup2(writer.get(), 1) == 1) (void)execve(program.c_str(), words, environment);
    _exit(127);
  }
  return reader;
}

}  // namespace

absl::StatusOr<Measurement> TimeFloorTreeKill(const std::string& program) {
  if (prctl(PR_SET_CHILD_SUBREAPER, 1) != 0) return ErrnoError(errno, "PR_SET_CHILD_SUBREAPER");
  ASSIGN_OR_RETURN(Group group, Group::Make());
  ASSIGN_OR_RETURN(UniqueFd output, Start(group, program));
  char byte = 0;
  ssize_t size = 0;
  while ((size = read(output.get(), &byte, 1)) < 0 && errno == EINTR) {
  }
  if (size != 1) return absl::UnavailableError("the tree could not be made: pids limit?");
  const double start = NowUs();
  RETURN_IF_ERROR(group.Kill());
  Group::Reap();
  return Measurement{{"end", NowUs() - start}};
}

}  // namespace glovebox::bench
