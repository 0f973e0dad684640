// From what a worker left on its disk to the tree that is kept.
#ifndef GLOVEBOX_SNAPSHOT_WORKER_TREE_H_
#define GLOVEBOX_SNAPSHOT_WORKER_TREE_H_

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "snapshot/disk.h"

namespace glovebox {

// Moves the directory `from` (relative to the root that the worker saw) out of the disk's upper/ to
// root/`name`, or makes it root/ itself when `name` is "". root/ is 0755 and uid 0's. Whatever else
// the worker wrote stays in upper/, where no sandbox sees it. The worker is not trusted: components
// of `from` that are symbolic links are refused.
absl::Status KeepWorkerTree(const Disk& disk, absl::string_view from, absl::string_view name);

}  // namespace glovebox

#endif  // GLOVEBOX_SNAPSHOT_WORKER_TREE_H_
