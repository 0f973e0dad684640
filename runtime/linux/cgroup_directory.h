// Making, waiting for and removing cgroup directories, by descriptor.
#ifndef GLOVEBOX_LINUX_CGROUP_DIRECTORY_H_
#define GLOVEBOX_LINUX_CGROUP_DIRECTORY_H_

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/unique_fd.h"

namespace glovebox {

absl::StatusOr<UniqueFd> OpenCgroup(int parent_fd, const std::string& name);

// mkdir and open; ALREADY_EXISTS when it is there.
absl::StatusOr<UniqueFd> MakeCgroup(int parent_fd, const std::string& name);

// Waits for "populated 0" in cgroup.events of a v2 directory. DEADLINE_EXCEEDED with reason
// CGROUP_BUSY.
absl::Status WaitUntilEmpty(int directory_fd, const std::string& name, int timeout_ms);

// Stops everything in a v2 directory and below it, and waits until all of it stands still. On an
// error it goes on again: DEADLINE_EXCEEDED with reason FREEZE_TIMED_OUT when a process stays in
// the kernel (a slow disk) for so long.
absl::Status FreezeCgroup(int directory_fd, const std::string& name, int timeout_ms);
absl::Status ThawCgroup(int directory_fd);

// rmdir, tried again while the kernel says EBUSY (v1 has no event for "empty", and v2 may lag
// behind its own event), at most `timeout_ms`. A missing directory is fine.
absl::Status RemoveCgroup(int parent_fd, const std::string& name, int timeout_ms);

// Names of the directories in it.
absl::StatusOr<std::vector<std::string>> ListCgroups(int directory_fd);

// Kills all in a v2 sandbox directory, waits, removes it with its leaves. A missing one is fine.
absl::Status KillAndRemoveCgroup(int parent_fd, const std::string& name, int timeout_ms);

}  // namespace glovebox

#endif  // GLOVEBOX_LINUX_CGROUP_DIRECTORY_H_
