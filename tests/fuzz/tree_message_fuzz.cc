// A Tree that a client uploaded, as glovebox-importer reads it: whatever it says, what is taken of
// it are names of entries, digests and bounded numbers.
#include "importer/entry_name.h"
#include "importer/tree_message.h"
#include "tests/fuzz/fuzz_input.h"
#include "tests/fuzz/targets.h"

namespace glovebox {
namespace {

void CheckName(absl::string_view name) {
  const auto normalized = NormalizeName(name, AbsoluteNames::kRefused);
  Demand(normalized.ok() && *normalized == name && SplitLast(name).parent.empty(),
         "a name is one component");
}

void CheckDigest(const BlobDigest& digest) {
  Demand(IsEmptyBlob(digest) || ParseBlobFileName(BlobFileName(digest)) == digest,
         "a digest is a file's name");
}

void CheckAttributes(const NodeAttributes& attributes) {
  Demand(attributes.unix_mode.value_or(0) <= 07777, "a mode is one");
  Demand(attributes.modified.tv_sec >= 0 && attributes.modified.tv_nsec >= 0 &&
             attributes.modified.tv_nsec < 1'000'000'000,
         "a time is one");
}

void CheckDirectory(absl::string_view bytes) {
  const auto directory = ParseDirectory(bytes);
  if (!directory.ok()) return;
  CheckAttributes(directory->attributes);
  for (const FileNode& node : directory->files) {
    CheckName(node.name);
    CheckDigest(node.digest);
    CheckAttributes(node.attributes);
  }
  for (const DirectoryNode& node : directory->directories) {
    CheckName(node.name);
    CheckDigest(node.digest);
  }
  for (const SymlinkNode& node : directory->symlinks) {
    CheckName(node.name);
    CheckAttributes(node.attributes);
    Demand(!node.target.empty() && node.target.find('\0') == absl::string_view::npos,
           "a target is a path");
  }
}

}  // namespace

void FuzzTreeMessage(absl::string_view bytes) {
  CheckDirectory(bytes);
  const auto tree = ParseTree(bytes);
  if (!tree.ok()) return;
  CheckDirectory(tree->root);
  for (const auto& [hash, directory] : tree->children) CheckDirectory(directory);
  const auto measure = MeasureTree(*tree);
  if (!measure.ok()) return;
  Demand(measure->entries <= 4'000'000 && measure->depth <= kDepthMax, "a tree is bounded");
}

}  // namespace glovebox
