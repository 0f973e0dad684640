// The Tree of proto/glovebox/v1/tree.proto, which is that of the Remote Execution API, from bytes
// that may be anything. Pure functions; what they return lies in the bytes that they were given.
//
// Written by hand: a directory's digest is that of its bytes as they came, and nothing here needs
// more memory than the entries of one directory.
#ifndef GLOVEBOX_IMPORTER_TREE_MESSAGE_H_
#define GLOVEBOX_IMPORTER_TREE_MESSAGE_H_

#include <cstddef>
#include <cstdint>
#include <ctime>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "snapshot/blob_digest.h"

namespace glovebox {

inline constexpr size_t kTreeBytesMax = size_t{128} << 20;
inline constexpr size_t kTreeDirectoriesMax = 1'000'000;

struct NodeAttributes {
  std::optional<uint32_t> unix_mode;
  timespec modified{};  // 1970 when absent or not before 2100
};

struct FileNode {
  absl::string_view name;  // a name, checked
  BlobDigest digest;
  bool is_executable = false;
  NodeAttributes attributes;
};
struct DirectoryNode {
  absl::string_view name;
  BlobDigest digest;
};
struct SymlinkNode {
  absl::string_view name;
  absl::string_view target;  // 1 to 4,095 bytes without NUL
  NodeAttributes attributes;
};

// Each name is in it once.
struct DirectoryMessage {
  std::vector<FileNode> files;
  std::vector<DirectoryNode> directories;
  std::vector<SymlinkNode> symlinks;
  NodeAttributes attributes;
};

struct TreeMessage {
  absl::string_view root;                             // a Directory
  std::map<std::string, absl::string_view> children;  // by hash: Directories
};

// Both: INVALID_ARGUMENT for what is malformed or has a name that cannot be. Unknown fields are
// passed over. RESOURCE_EXHAUSTED beyond the limits above.
absl::StatusOr<TreeMessage> ParseTree(absl::string_view bytes);
absl::StatusOr<DirectoryMessage> ParseDirectory(absl::string_view bytes);

// What a whole tree is, with each directory as often as it is named.
struct TreeMeasure {
  uint64_t entries = 0;  // files, links and directories, the top one too
  uint64_t file_bytes = 0;
  uint64_t message_bytes = 0;  // of all Directory messages
  int depth = 0;               // 0: nothing below the top
};

// Counts without expanding. INVALID_ARGUMENT: a directory is not in the tree; RESOURCE_EXHAUSTED:
// it is deeper than kDepthMax, or expands to more than 4,000,000 entries or 1 GiB of messages.
absl::StatusOr<TreeMeasure> MeasureTree(const TreeMessage& tree);

// The message of a directory that another one names. INVALID_ARGUMENT.
absl::StatusOr<absl::string_view> FindDirectory(const TreeMessage& tree, const DirectoryNode& node);

}  // namespace glovebox

#endif  // GLOVEBOX_IMPORTER_TREE_MESSAGE_H_
