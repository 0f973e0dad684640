// The importer's command for a Tree and its files, each a blob in one directory.
#ifndef GLOVEBOX_IMPORTER_UPLOADED_TREE_H_
#define GLOVEBOX_IMPORTER_UPLOADED_TREE_H_

#include <cstdint>
#include <string>

#include "absl/status/status.h"

namespace glovebox {

// Makes the directory `to` of the Tree in the file `tree` (BlobFileName) of the directory `blobs`,
// with the files' content from there. All bytes are compared with their digests as they are read.
// Errors are those of tree_message.h, refusal.h (blobs that are missing or damaged) and
// tree_writer.h.
absl::Status ImportUploadedTree(const std::string& blobs, const std::string& tree,
                                const std::string& to, uint64_t bytes_max);

}  // namespace glovebox

#endif  // GLOVEBOX_IMPORTER_UPLOADED_TREE_H_
