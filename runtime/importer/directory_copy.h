// A directory of the host, which a worker sandbox is shown read-only, as a tree of its own.
#ifndef GLOVEBOX_IMPORTER_DIRECTORY_COPY_H_
#define GLOVEBOX_IMPORTER_DIRECTORY_COPY_H_

#include "absl/status/status.h"
#include "base/unique_fd.h"
#include "importer/progress_report.h"
#include "importer/tree_writer.h"

namespace glovebox {

// Hard links within the tree are kept, holes stay holes. INVALID_ARGUMENT, with the name: a device,
// FIFO or socket, a file that cannot be read, one that changes its size while it is read. Leaves
// TreeWriter::Finish to the caller.
absl::Status CopyDirectory(UniqueFd from, TreeWriter* writer, ProgressReport* progress);

}  // namespace glovebox

#endif  // GLOVEBOX_IMPORTER_DIRECTORY_COPY_H_
