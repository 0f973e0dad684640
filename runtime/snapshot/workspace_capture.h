// From a copy of a sandbox's disk to the disk of a snapshot of its /workspace.
#ifndef GLOVEBOX_SNAPSHOT_WORKSPACE_CAPTURE_H_
#define GLOVEBOX_SNAPSHOT_WORKSPACE_CAPTURE_H_

#include "absl/status/status.h"
#include "snapshot/disk.h"

namespace glovebox {

// Makes root/workspace of upper/workspace, and removes everything else with what it took of the
// host. The payload wrote all of it; nothing of it is followed, and depth does not matter.
//
// FIFOs and sockets are nothing without the processes that used them: in their place is a whiteout,
// so that a file below them does not come back. All else stays as it is, set-id bits too: they have
// no effect in any sandbox. When nothing below /workspace was changed, root/ is empty.
//
// FAILED_PRECONDITION with reason CONTENT_REFUSED when /workspace is no directory any more;
// RESOURCE_EXHAUSTED with reason TREE_TOO_LARGE when it is deeper than a snapshot may be, or has
// more names.
absl::Status KeepWorkspace(const Disk& disk);

}  // namespace glovebox

#endif  // GLOVEBOX_SNAPSHOT_WORKSPACE_CAPTURE_H_
