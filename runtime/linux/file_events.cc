#include "linux/file_events.h"

#include <fcntl.h>
#include <linux/fanotify.h>
#include <sys/fanotify.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdlib>
#include <string>

#include "base/status.h"

namespace glovebox {
namespace {

// With file identifiers the kernel opens nothing for us, and joins events of one directory.
constexpr unsigned int kGroupFlags =
    FAN_CLASS_NOTIF | FAN_REPORT_FID | FAN_CLOEXEC | FAN_NONBLOCK | FAN_UNLIMITED_MARKS;
constexpr uint64_t kEvents = FAN_CREATE | FAN_DELETE | FAN_MOVED_FROM | FAN_MOVED_TO | FAN_MODIFY |
                             FAN_CLOSE_WRITE | FAN_ATTRIB | FAN_ONDIR;
// The longest queue is 16,384 events of less than 256 bytes; what comes meanwhile is left for
// later.
constexpr size_t kReadBytes = 64 * 1024;
constexpr int kReadsMax = 64;

absl::StatusOr<UniqueFd> OpenGroup() {
  UniqueFd group(::fanotify_init(kGroupFlags, O_RDONLY | O_CLOEXEC));
  if (!group.valid()) return ErrnoError(errno, "fanotify_init");
  return group;
}

}  // namespace

absl::Status FileEvents::Probe() { return OpenGroup().status(); }

absl::StatusOr<FileEvents> FileEvents::Open(int directory_fd) {
  ASSIGN_OR_RETURN(UniqueFd group, OpenGroup());
  if (::fanotify_mark(group.get(), FAN_MARK_ADD | FAN_MARK_FILESYSTEM, kEvents, directory_fd,
                      nullptr) != 0) {
    return ErrnoError(errno, "fanotify_mark");
  }
  return FileEvents(std::move(group));
}

absl::StatusOr<bool> FileEvents::Drain() {
  std::array<char, kReadBytes> buffer;
  for (int i = 0; i < kReadsMax; ++i) {
    const ssize_t bytes = ::read(group_.get(), buffer.data(), buffer.size());
    if (bytes < 0 && errno == EINTR) continue;
    if (bytes < 0 && errno == EAGAIN) return i > 0;
    if (bytes < 0) return ErrnoError(errno, "reading file events");
    if (bytes == 0) return i > 0;
  }
  return true;
}

bool FileEvents::TellsOverlayWrites(absl::string_view release) {
  const std::string text(release);
  char* rest = nullptr;
  const long major = std::strtol(text.c_str(), &rest, 10);
  const long minor = *rest == '.' ? std::strtol(rest + 1, nullptr, 10) : 0;
  return major > 6 || (major == 6 && minor >= 5);
}

bool FileEvents::TellsOverlayWrites() {
  utsname name{};
  return ::uname(&name) == 0 && TellsOverlayWrites(name.release);
}

}  // namespace glovebox
