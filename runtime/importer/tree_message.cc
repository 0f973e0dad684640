#include "importer/tree_message.h"

#include <algorithm>
#include <set>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/sha256.h"
#include "base/status.h"
#include "base/wire_field.h"
#include "importer/entry_name.h"
#include "importer/refusal.h"

namespace glovebox {
namespace {

constexpr int64_t kLastSecond = 4102444800;  // 2100-01-01, as for archives
constexpr size_t kTargetBytesMax = 4095;
constexpr uint64_t kEntriesMax = 4'000'000;
constexpr uint64_t kMessageBytesMax = uint64_t{1} << 30;

absl::Status Malformed(absl::string_view what) {
  return absl::InvalidArgumentError(absl::StrCat("the Tree's ", what, " is malformed"));
}

absl::Status TooManyEntries() {
  return absl::ResourceExhaustedError(
      absl::StrCat("the Tree expands to more than ", kEntriesMax, " entries"));
}

// Calls `take` with each field; what that does not know it passes over.
template <typename Take>
absl::Status EachField(absl::string_view message, absl::string_view what, Take take) {
  WireReader reader(message);
  WireField field;
  while (reader.Next(&field)) RETURN_IF_ERROR(take(field));
  return reader.malformed() ? Malformed(what) : absl::OkStatus();
}

bool IsBytes(const WireField& field, uint32_t number) {
  return field.number == number && field.is_bytes;
}
bool IsVarint(const WireField& field, uint32_t number) {
  return field.number == number && field.is_varint;
}

absl::Status TakeDigest(absl::string_view bytes, BlobDigest* digest) {
  return EachField(bytes, "Digest", [&](const WireField& field) {
    if (IsBytes(field, 1)) digest->hash = std::string(field.bytes);
    if (IsVarint(field, 2)) digest->size_bytes = field.value;
    return absl::OkStatus();
  });
}

absl::Status TakeTime(absl::string_view bytes, timespec* time) {
  uint64_t seconds = 0;
  uint64_t nanos = 0;
  RETURN_IF_ERROR(EachField(bytes, "Timestamp", [&](const WireField& field) {
    if (IsVarint(field, 1)) seconds = field.value;
    if (IsVarint(field, 2)) nanos = field.value;
    return absl::OkStatus();
  }));
  *time = timespec{};
  if (seconds >= static_cast<uint64_t>(kLastSecond)) return absl::OkStatus();  // negative ones too
  time->tv_sec = static_cast<time_t>(seconds);
  time->tv_nsec = static_cast<long>(std::min<uint64_t>(nanos, 999'999'999));
  return absl::OkStatus();
}

absl::Status TakeAttributes(absl::string_view bytes, NodeAttributes* attributes) {
  return EachField(bytes, "NodeProperties", [&](const WireField& field) {
    if (IsBytes(field, 2)) return TakeTime(field.bytes, &attributes->modified);
    if (!IsBytes(field, 3)) return absl::OkStatus();
    if (!attributes->unix_mode.has_value()) attributes->unix_mode = 0;
    return EachField(field.bytes, "UInt32Value", [&](const WireField& value) {
      if (IsVarint(value, 1)) attributes->unix_mode = static_cast<uint32_t>(value.value & 07777);
      return absl::OkStatus();
    });
  });
}

absl::Status CheckName(absl::string_view name) {
  if (name.empty()) return RefuseEntry(name, "an entry has no name");
  if (name == "." || name == "..") return RefuseEntry(name, "is no name of an entry");
  if (name.size() > kComponentBytesMax) {
    return RefuseEntry(name, absl::StrCat("is over ", kComponentBytesMax, " bytes"));
  }
  if (name.find('/') != absl::string_view::npos || name.find('\0') != absl::string_view::npos) {
    return RefuseEntry(name, "has a slash or a NUL in it");
  }
  return absl::OkStatus();
}

absl::Status CheckDigest(absl::string_view name, const BlobDigest& digest) {
  const auto made = MakeBlobDigest(digest.hash, static_cast<int64_t>(digest.size_bytes));
  return made.ok() ? absl::OkStatus()
                   : RefuseEntry(name, absl::StrCat("has no digest: ", made.status().message()));
}

absl::Status TakeFile(absl::string_view bytes, FileNode* node) {
  RETURN_IF_ERROR(EachField(bytes, "FileNode", [&](const WireField& field) {
    if (IsBytes(field, 1)) node->name = field.bytes;
    if (IsBytes(field, 2)) return TakeDigest(field.bytes, &node->digest);
    if (IsVarint(field, 4)) node->is_executable = field.value != 0;
    if (IsBytes(field, 6)) return TakeAttributes(field.bytes, &node->attributes);
    return absl::OkStatus();
  }));
  RETURN_IF_ERROR(CheckName(node->name));
  return CheckDigest(node->name, node->digest);
}

absl::Status TakeDirectory(absl::string_view bytes, DirectoryNode* node) {
  RETURN_IF_ERROR(EachField(bytes, "DirectoryNode", [&](const WireField& field) {
    if (IsBytes(field, 1)) node->name = field.bytes;
    if (IsBytes(field, 2)) return TakeDigest(field.bytes, &node->digest);
    return absl::OkStatus();
  }));
  RETURN_IF_ERROR(CheckName(node->name));
  return CheckDigest(node->name, node->digest);
}

absl::Status TakeSymlink(absl::string_view bytes, SymlinkNode* node) {
  RETURN_IF_ERROR(EachField(bytes, "SymlinkNode", [&](const WireField& field) {
    if (IsBytes(field, 1)) node->name = field.bytes;
    if (IsBytes(field, 2)) node->target = field.bytes;
    if (IsBytes(field, 4)) return TakeAttributes(field.bytes, &node->attributes);
    return absl::OkStatus();
  }));
  RETURN_IF_ERROR(CheckName(node->name));
  if (node->target.empty() || node->target.size() > kTargetBytesMax ||
      node->target.find('\0') != absl::string_view::npos) {
    return RefuseEntry(node->name, "is a symbolic link whose target is no path");
  }
  return absl::OkStatus();
}

absl::Status CheckTwins(const DirectoryMessage& directory) {
  std::set<absl::string_view> names;
  const auto add = [&](absl::string_view name) {
    return names.insert(name).second ? absl::OkStatus()
                                     : RefuseEntry(name, "is twice in one directory");
  };
  for (const FileNode& node : directory.files) RETURN_IF_ERROR(add(node.name));
  for (const DirectoryNode& node : directory.directories) RETURN_IF_ERROR(add(node.name));
  for (const SymlinkNode& node : directory.symlinks) RETURN_IF_ERROR(add(node.name));
  return absl::OkStatus();
}

std::string HashOf(absl::string_view bytes) {
  Sha256 sum;
  sum.Update(bytes);
  return sum.FinishHex();
}

class Measuring {
 public:
  explicit Measuring(const TreeMessage& tree) : tree_(tree) {}

  // Cycles cannot be, by the digests; if one were, this would end at kDepthMax.
  absl::StatusOr<TreeMeasure> Of(absl::string_view message, int level) {
    ASSIGN_OR_RETURN(const DirectoryMessage directory, ParseDirectory(message));
    TreeMeasure sum;
    sum.entries = 1 + directory.files.size() + directory.symlinks.size();
    sum.message_bytes = message.size();
    for (const FileNode& node : directory.files) Add(node.digest.size_bytes, &sum.file_bytes);
    for (const DirectoryNode& node : directory.directories) {
      if (level >= kDepthMax) return TooDeep(node.name);
      ASSIGN_OR_RETURN(const TreeMeasure below, Below(node, level + 1));
      Add(below.entries, &sum.entries);
      Add(below.file_bytes, &sum.file_bytes);
      Add(below.message_bytes, &sum.message_bytes);
      sum.depth = std::max(sum.depth, below.depth + 1);
      if (level + sum.depth > kDepthMax) return TooDeep(node.name);
    }
    if (sum.entries > kEntriesMax || sum.message_bytes > kMessageBytesMax) {
      return TooManyEntries();
    }
    return sum;
  }

 private:
  static void Add(uint64_t more, uint64_t* sum) {
    if (__builtin_add_overflow(*sum, more, sum)) *sum = UINT64_MAX;
  }
  static absl::Status TooDeep(absl::string_view name) {
    return EntryTooLarge(name, absl::StrCat("is deeper than ", kDepthMax, " directories"));
  }
  absl::StatusOr<TreeMeasure> Below(const DirectoryNode& node, int level) {
    const auto known = known_.find(node.digest.hash);
    if (known != known_.end()) {
      RETURN_IF_ERROR(FindDirectory(tree_, node).status());
      return known->second;
    }
    ASSIGN_OR_RETURN(const absl::string_view message, FindDirectory(tree_, node));
    ASSIGN_OR_RETURN(const TreeMeasure measure, Of(message, level));
    known_.emplace(node.digest.hash, measure);
    return measure;
  }

  const TreeMessage& tree_;
  std::map<std::string, TreeMeasure> known_;
};

}  // namespace

absl::StatusOr<DirectoryMessage> ParseDirectory(absl::string_view bytes) {
  DirectoryMessage directory;
  uint64_t fields = 0;
  RETURN_IF_ERROR(EachField(bytes, "Directory", [&](const WireField& field) {
    if (++fields > kEntriesMax) return TooManyEntries();
    if (!field.is_bytes) return absl::OkStatus();
    if (field.number == 1) return TakeFile(field.bytes, &directory.files.emplace_back());
    if (field.number == 2) return TakeDirectory(field.bytes, &directory.directories.emplace_back());
    if (field.number == 3) return TakeSymlink(field.bytes, &directory.symlinks.emplace_back());
    if (field.number == 5) return TakeAttributes(field.bytes, &directory.attributes);
    return absl::OkStatus();
  }));
  RETURN_IF_ERROR(CheckTwins(directory));
  return directory;
}

absl::StatusOr<TreeMessage> ParseTree(absl::string_view bytes) {
  if (bytes.size() > kTreeBytesMax) {
    return absl::ResourceExhaustedError(
        absl::StrCat("the Tree has more than ", kTreeBytesMax, " bytes"));
  }
  TreeMessage tree;
  size_t directories = 0;
  bool has_root = false;
  RETURN_IF_ERROR(EachField(bytes, "message", [&](const WireField& field) -> absl::Status {
    if (IsBytes(field, 1)) {
      // Two of them would be one by the rules of the format.
      if (std::exchange(has_root, true)) return Malformed("root");
      tree.root = field.bytes;
    }
    if (!IsBytes(field, 2)) return absl::OkStatus();
    if (++directories > kTreeDirectoriesMax) {
      return absl::ResourceExhaustedError(
          absl::StrCat("the Tree has more than ", kTreeDirectoriesMax, " directories"));
    }
    tree.children.emplace(HashOf(field.bytes), field.bytes);
    return absl::OkStatus();
  }));
  if (!has_root) return absl::InvalidArgumentError("the Tree has no root");
  return tree;
}

absl::StatusOr<absl::string_view> FindDirectory(const TreeMessage& tree,
                                                const DirectoryNode& node) {
  const auto found = tree.children.find(node.digest.hash);
  if (found != tree.children.end() && found->second.size() == node.digest.size_bytes) {
    return found->second;
  }
  // An empty directory's message is the empty blob, which is never missing.
  if (IsEmptyBlob(node.digest)) return absl::string_view();
  return RefuseEntry(
      node.name, absl::StrCat("is a directory ", node.digest.hash, " that the Tree does not have"));
}

absl::StatusOr<TreeMeasure> MeasureTree(const TreeMessage& tree) {
  return Measuring(tree).Of(tree.root, 0);
}

}  // namespace glovebox
