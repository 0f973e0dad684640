#include "linux/mount.h"

#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>

#include "absl/strings/str_cat.h"
#include "base/status.h"

namespace glovebox {
namespace {

// The file system's own words about a failed fsconfig, which a bare EINVAL hides (fsopen(2): read
// the context).
std::string ContextMessages(int context_fd) {
  std::string messages;
  char buffer[1024];
  for (int i = 0; i < 8; ++i) {
    const ssize_t count = ::read(context_fd, buffer, sizeof buffer);
    if (count <= 0) break;
    absl::StrAppend(&messages, " [", absl::string_view(buffer, static_cast<size_t>(count)), "]");
  }
  return messages;
}

absl::Status Configure(int context_fd, unsigned command, const char* key, const char* value) {
  if (::syscall(SYS_fsconfig, context_fd, command, key, value, 0) == 0) return absl::OkStatus();
  const int error = errno;
  return ErrnoError(
      error, absl::StrCat("fsconfig ", key == nullptr ? "create" : key, value == nullptr ? "" : "=",
                          value == nullptr ? "" : value, ContextMessages(context_fd)));
}

}  // namespace

absl::Status EnterPrivateMountNamespace() {
  if (::unshare(CLONE_NEWNS) != 0) return ErrnoError(errno, "unshare CLONE_NEWNS");
  if (::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0) {
    return ErrnoError(errno, "mount / MS_REC|MS_PRIVATE");
  }
  return absl::OkStatus();
}

absl::StatusOr<UniqueFd> CloneMount(const std::string& path) {
  const long fd = ::syscall(SYS_open_tree, AT_FDCWD, path.c_str(),
                            OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_SYMLINK_NOFOLLOW);
  if (fd < 0) return ErrnoError(errno, absl::StrCat("open_tree ", path));
  return UniqueFd(static_cast<int>(fd));
}

absl::StatusOr<UniqueFd> CloneMountOf(int fd) {
  const long clone =
      ::syscall(SYS_open_tree, fd, "", OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_EMPTY_PATH);
  if (clone < 0) return ErrnoError(errno, "open_tree of a descriptor");
  return UniqueFd(static_cast<int>(clone));
}

absl::StatusOr<UniqueFd> MakeMount(const std::string& type, const std::string& source,
                                   const std::vector<std::pair<std::string, std::string>>& options,
                                   uint64_t mount_attributes) {
  const UniqueFd context(static_cast<int>(::syscall(SYS_fsopen, type.c_str(), FSOPEN_CLOEXEC)));
  if (!context.valid()) return ErrnoError(errno, absl::StrCat("fsopen ", type));
  if (!source.empty()) {
    RETURN_IF_ERROR(Configure(context.get(), FSCONFIG_SET_STRING, "source", source.c_str()));
  }
  for (const auto& [key, value] : options) {
    RETURN_IF_ERROR(
        value.empty() ? Configure(context.get(), FSCONFIG_SET_FLAG, key.c_str(), nullptr)
                      : Configure(context.get(), FSCONFIG_SET_STRING, key.c_str(), value.c_str()));
  }
  RETURN_IF_ERROR(Configure(context.get(), FSCONFIG_CMD_CREATE, nullptr, nullptr));
  const long fd = ::syscall(SYS_fsmount, context.get(), FSMOUNT_CLOEXEC, mount_attributes);
  if (fd < 0) return ErrnoError(errno, absl::StrCat("fsmount ", type));
  return UniqueFd(static_cast<int>(fd));
}

absl::Status AttachMount(int mount_fd, const std::string& path) {
  if (::syscall(SYS_move_mount, mount_fd, "", AT_FDCWD, path.c_str(), MOVE_MOUNT_F_EMPTY_PATH) ==
      0) {
    return absl::OkStatus();
  }
  return ErrnoError(errno, absl::StrCat("move_mount to ", path));
}

absl::Status DetachMount(const std::string& path) {
  if (::umount2(path.c_str(), MNT_DETACH | UMOUNT_NOFOLLOW) == 0 || errno == EINVAL ||
      errno == ENOENT) {
    return absl::OkStatus();
  }
  return ErrnoError(errno, absl::StrCat("umount2 ", path));
}

}  // namespace glovebox
