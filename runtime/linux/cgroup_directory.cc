#include "linux/cgroup_directory.h"

#include <dirent.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <memory>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "base/clock.h"
#include "base/status.h"
#include "linux/file_io.h"

namespace glovebox {
namespace {

class Deadline {
 public:
  explicit Deadline(int timeout_ms)
      : at_ns_(clock_.MonotonicNanos() + int64_t{timeout_ms} * 1000000) {}
  int LeftMs() const {
    const int64_t left_ns = at_ns_ - clock_.MonotonicNanos();
    return left_ns <= 0 ? 0 : static_cast<int>((left_ns + 999999) / 1000000);
  }

 private:
  const RealClock clock_;
  const int64_t at_ns_;
};

absl::Status Busy(const std::string& name) {
  return DetailedError(absl::StatusCode::kDeadlineExceeded,
                       absl::StrCat("cgroup ", name, " still has processes"),
                       {"CGROUP_BUSY", {{"cgroup", name}}});
}

struct CloseDirectory {
  void operator()(DIR* directory) const { (void)closedir(directory); }  // only read
};

// The kernel notifies of one cgroup.events at most every 10 ms (CGROUP_FILE_NOTIFY_MIN_INTV) and
// puts off what comes sooner; a notification of "frozen" that follows one of "populated" closely
// was seen never to come. So an event only shortens the wait for the next look.
constexpr int kLookAgainMs = 10;

// Waits until cgroup.events of a v2 directory has `line`; an empty one has all that is waited for.
absl::Status AwaitEvent(int directory_fd, const std::string& name, absl::string_view line,
                        int timeout_ms, absl::Status late) {
  const Deadline deadline(timeout_ms);
  ASSIGN_OR_RETURN(UniqueFd events, OpenAt(directory_fd, "cgroup.events", O_RDONLY));
  for (;;) {
    char buffer[256];
    const ssize_t count = pread(events.get(), buffer, sizeof buffer, 0);
    if (count < 0) return ErrnoError(errno, absl::StrCat("read cgroup.events of ", name));
    const absl::string_view text(buffer, static_cast<size_t>(count));
    // What is empty is frozen too, whether it says so or not: its removal would wake nobody here.
    if (absl::StrContains(text, line) || absl::StrContains(text, "populated 0")) {
      return absl::OkStatus();
    }
    const int left_ms = deadline.LeftMs();
    if (left_ms == 0) return late;
    // kernfs reports a change since the last read as POLLPRI.
    pollfd wait{events.get(), POLLPRI, 0};
    if (poll(&wait, 1, std::min(left_ms, kLookAgainMs)) < 0 && errno != EINTR) {
      return ErrnoError(errno, "poll");
    }
  }
}

}  // namespace

absl::StatusOr<UniqueFd> OpenCgroup(int parent_fd, const std::string& name) {
  return OpenAt(parent_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
}

absl::StatusOr<UniqueFd> MakeCgroup(int parent_fd, const std::string& name) {
  if (mkdirat(parent_fd, name.c_str(), 0755) < 0) {
    return ErrnoError(errno, absl::StrCat("mkdir cgroup ", name));
  }
  return OpenCgroup(parent_fd, name);
}

absl::Status WaitUntilEmpty(int directory_fd, const std::string& name, int timeout_ms) {
  return AwaitEvent(directory_fd, name, "populated 0", timeout_ms, Busy(name));
}

absl::Status FreezeCgroup(int directory_fd, const std::string& name, int timeout_ms) {
  RETURN_IF_ERROR(WriteKernelFileAt(directory_fd, "cgroup.freeze", "1"));
  const absl::Status late =
      DetailedError(absl::StatusCode::kDeadlineExceeded,
                    absl::StrCat("a process in cgroup ", name, " did not stop within ", timeout_ms,
                                 " ms: it waits in the kernel; try again"),
                    {"FREEZE_TIMED_OUT", {{"cgroup", name}}});
  absl::Status frozen = AwaitEvent(directory_fd, name, "frozen 1", timeout_ms, late);
  if (!frozen.ok()) (void)ThawCgroup(directory_fd);  // what was written can be written back
  return frozen;
}

absl::Status ThawCgroup(int directory_fd) {
  return WriteKernelFileAt(directory_fd, "cgroup.freeze", "0");
}

absl::Status RemoveCgroup(int parent_fd, const std::string& name, int timeout_ms) {
  const Deadline deadline(timeout_ms);
  for (;;) {
    if (unlinkat(parent_fd, name.c_str(), AT_REMOVEDIR) == 0 || errno == ENOENT) {
      return absl::OkStatus();
    }
    if (errno != EBUSY) return ErrnoError(errno, absl::StrCat("rmdir cgroup ", name));
    if (deadline.LeftMs() == 0) return Busy(name);
    const timespec pause{0, 1000000};
    (void)nanosleep(&pause, nullptr);  // cut short by a signal, it is only tried sooner
  }
}

absl::StatusOr<std::vector<std::string>> ListCgroups(int directory_fd) {
  ASSIGN_OR_RETURN(UniqueFd fd, OpenCgroup(directory_fd, "."));
  std::unique_ptr<DIR, CloseDirectory> directory(fdopendir(fd.get()));
  if (directory == nullptr) return ErrnoError(errno, "fdopendir cgroup");
  (void)fd.Release();  // closedir closes it
  std::vector<std::string> names;
  for (;;) {
    errno = 0;
    const dirent* entry = readdir(directory.get());
    if (entry == nullptr) break;
    if (entry->d_type == DT_DIR && entry->d_name[0] != '.') names.emplace_back(entry->d_name);
  }
  if (errno != 0) return ErrnoError(errno, "readdir cgroup");
  return names;
}

absl::Status KillAndRemoveCgroup(int parent_fd, const std::string& name, int timeout_ms) {
  const Deadline deadline(timeout_ms);
  absl::StatusOr<UniqueFd> directory = OpenCgroup(parent_fd, name);
  if (absl::IsNotFound(directory.status())) return absl::OkStatus();
  RETURN_IF_ERROR(directory.status());
  RETURN_IF_ERROR(WriteKernelFileAt(directory->get(), "cgroup.kill", "1"));
  RETURN_IF_ERROR(WaitUntilEmpty(directory->get(), name, deadline.LeftMs()));
  ASSIGN_OR_RETURN(const std::vector<std::string> leaves, ListCgroups(directory->get()));
  for (const std::string& leaf : leaves) {
    RETURN_IF_ERROR(RemoveCgroup(directory->get(), leaf, deadline.LeftMs()));
  }
  return RemoveCgroup(parent_fd, name, deadline.LeftMs());
}

}  // namespace glovebox
