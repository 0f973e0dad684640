// The mount API by descriptors (open_tree, move_mount, mount_setattr, fsopen; man pages of
// util-linux's kernel docs).
#ifndef GLOVEBOX_LINUX_MOUNT_H_
#define GLOVEBOX_LINUX_MOUNT_H_

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/unique_fd.h"

namespace glovebox {

// Gives this process a mount namespace of its own whose changes reach nobody and which sees
// nobody's changes. Only while single-threaded: unshare(CLONE_NEWNS) moves the calling thread
// alone.
absl::Status EnterPrivateMountNamespace();

// A detached copy of the mount at `path` (that one mount only, not what is mounted below it).
absl::StatusOr<UniqueFd> CloneMount(const std::string& path);
// Likewise of what `fd` (O_PATH will do) stands for.
absl::StatusOr<UniqueFd> CloneMountOf(int fd);

// fsopen + fsconfig + fsmount: a detached mount of a new superblock. `options`: {key, value}, a
// flag when value is "".
absl::StatusOr<UniqueFd> MakeMount(const std::string& type, const std::string& source,
                                   const std::vector<std::pair<std::string, std::string>>& options,
                                   uint64_t mount_attributes);

// Attaches a detached mount at a directory.
absl::Status AttachMount(int mount_fd, const std::string& path);

// umount2(MNT_DETACH | UMOUNT_NOFOLLOW); not mounted is fine.
absl::Status DetachMount(const std::string& path);

}  // namespace glovebox

#endif  // GLOVEBOX_LINUX_MOUNT_H_
