// Room that each disk keeps for copies of itself.
//
// Mounting an overlay makes files in its work directory and removes them again. A copy of a disk
// that is full to the last inode could not be mounted for that, though its original is: so a few
// files of nobody's are kept outside of `upper/`, given up before the mount and made again after
// it.
#ifndef GLOVEBOX_SNAPSHOT_DISK_SPARE_H_
#define GLOVEBOX_SNAPSHOT_DISK_SPARE_H_

#include "absl/status/status.h"

namespace glovebox {

// Makes what is not there of it below the root of a disk: five inodes, five blocks.
absl::Status KeepSpare(int root_fd);

}  // namespace glovebox

#endif  // GLOVEBOX_SNAPSHOT_DISK_SPARE_H_
