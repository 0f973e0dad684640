// The importer's commands for snapshots: a tar archive or a directory as a tree whose files are all
// the writer's own.
#ifndef GLOVEBOX_IMPORTER_IMPORT_TREE_H_
#define GLOVEBOX_IMPORTER_IMPORT_TREE_H_

#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/unique_fd.h"
#include "importer/tree_writer.h"

namespace glovebox {

// Both make the directory `to`. Set-id bits and extended attributes are not kept. Errors are those
// of tar_unpack.h and directory_copy.h.
// `blob`: the name of `from` (BlobFileName) where it is one, whose digest is compared; else "".
absl::Status ImportArchive(const std::string& from, const std::string& to, uint64_t bytes_max,
                           const std::string& blob = "");
absl::Status ImportDirectory(const std::string& from, const std::string& to, uint64_t bytes_max);

// What all of them begin with.
absl::StatusOr<UniqueFd> MakeImportRoot(const std::string& to);
TreePolicy SnapshotPolicy(uint64_t bytes_max);

}  // namespace glovebox

#endif  // GLOVEBOX_IMPORTER_IMPORT_TREE_H_
