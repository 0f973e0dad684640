#include "importer/uploaded_tree.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <cerrno>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/sha256.h"
#include "base/status.h"
#include "base/unique_fd.h"
#include "importer/byte_source.h"
#include "importer/entry_name.h"
#include "importer/import_tree.h"
#include "importer/progress_report.h"
#include "importer/refusal.h"
#include "importer/tree_message.h"
#include "importer/tree_writer.h"
#include "linux/file_io.h"
#include "snapshot/blob_digest.h"

namespace glovebox {
namespace {

constexpr mode_t kDirectoryMode = 0755;
constexpr mode_t kProgramMode = 0755;
constexpr mode_t kFileMode = 0644;

absl::StatusOr<UniqueFd> OpenBlob(int blobs, const BlobDigest& digest, absl::string_view name) {
  absl::StatusOr<UniqueFd> fd = OpenAt(blobs, BlobFileName(digest), O_RDONLY | O_NOFOLLOW);
  if (absl::IsNotFound(fd.status())) return RefuseMissingBlob(digest, name);
  return fd;
}

absl::Status CheckSize(int fd, const BlobDigest& digest, absl::string_view name) {
  struct stat status {};
  if (::fstat(fd, &status) != 0) return ErrnoError(errno, "fstat of a blob");
  const bool fits = static_cast<uint64_t>(status.st_size) == digest.size_bytes;
  return fits ? absl::OkStatus() : RefuseDamagedBlob(digest, name);
}

absl::StatusOr<std::string> ReadTree(int blobs, const std::string& file) {
  const std::optional<BlobDigest> digest = ParseBlobFileName(file);
  if (!digest.has_value()) return absl::InternalError("the Tree's name is no digest");
  if (digest->size_bytes > kTreeBytesMax) {
    return absl::ResourceExhaustedError(
        absl::StrCat("the Tree has more than ", kTreeBytesMax, " bytes"));
  }
  ASSIGN_OR_RETURN(const UniqueFd fd, OpenBlob(blobs, *digest, "the Tree"));
  RETURN_IF_ERROR(CheckSize(fd.get(), *digest, "the Tree"));
  FileSource source(fd.get(), 0, digest->size_bytes, nullptr);
  std::string bytes;
  bytes.reserve(digest->size_bytes);
  Sha256 sum;
  for (;;) {
    ASSIGN_OR_RETURN(const absl::string_view piece, source.Next());
    if (piece.empty()) break;
    sum.Update(piece);
    bytes.append(piece.data(), piece.size());
  }
  if (sum.FinishHex() != digest->hash) return RefuseDamagedBlob(*digest, "the Tree");
  return bytes;
}

class Materializing {
 public:
  Materializing(const TreeMessage& tree, int blobs, TreeWriter* writer, ProgressReport* progress)
      : tree_(tree), blobs_(blobs), writer_(writer), progress_(progress) {}

  // Recursion is bounded: the tree was measured.
  absl::Status Directory(const std::string& path, absl::string_view message) {
    ASSIGN_OR_RETURN(const DirectoryMessage directory, ParseDirectory(message));
    EntryAttributes attributes;
    attributes.mode = directory.attributes.unix_mode.value_or(kDirectoryMode);
    attributes.modified = directory.attributes.modified;
    RETURN_IF_ERROR(writer_->Directory(path, attributes));
    for (const FileNode& node : directory.files) RETURN_IF_ERROR(File(path, node));
    for (const SymlinkNode& node : directory.symlinks) {
      ASSIGN_OR_RETURN(const std::string name, Below(path, node.name));
      attributes.modified = node.attributes.modified;
      RETURN_IF_ERROR(writer_->Symlink(name, std::string(node.target), attributes));
    }
    for (const DirectoryNode& node : directory.directories) {
      ASSIGN_OR_RETURN(const std::string name, Below(path, node.name));
      ASSIGN_OR_RETURN(const absl::string_view child, FindDirectory(tree_, node));
      RETURN_IF_ERROR(Directory(name, child));
    }
    return absl::OkStatus();
  }

 private:
  // Also for its length as a whole.
  static absl::StatusOr<std::string> Below(const std::string& path, absl::string_view name) {
    return NormalizeName(absl::StrCat(path, path.empty() ? "" : "/", name),
                         AbsoluteNames::kRefused);
  }

  absl::Status File(const std::string& path, const FileNode& node) {
    ASSIGN_OR_RETURN(const std::string name, Below(path, node.name));
    EntryAttributes attributes;
    attributes.mode =
        node.attributes.unix_mode.value_or(node.is_executable ? kProgramMode : kFileMode);
    attributes.modified = node.attributes.modified;
    const uint64_t size = node.digest.size_bytes;
    ASSIGN_OR_RETURN(const UniqueFd fd, writer_->BeginFile(name, size, attributes));
    if (!IsEmptyBlob(node.digest)) RETURN_IF_ERROR(Copy(node.digest, name, fd.get()));
    return writer_->EndFile(fd.get(), name, size, attributes);
  }

  absl::Status Copy(const BlobDigest& digest, const std::string& name, int to) {
    ASSIGN_OR_RETURN(const UniqueFd from, OpenBlob(blobs_, digest, name));
    RETURN_IF_ERROR(CheckSize(from.get(), digest, name));
    FileSource source(from.get(), 0, digest.size_bytes, progress_);
    Sha256 sum;
    uint64_t done = 0;
    for (;;) {
      ASSIGN_OR_RETURN(const absl::string_view piece, source.Next());
      if (piece.empty()) break;
      sum.Update(piece);
      RETURN_IF_ERROR(writer_->Write(to, done, piece));
      done += piece.size();
    }
    return done == digest.size_bytes && sum.FinishHex() == digest.hash
               ? absl::OkStatus()
               : RefuseDamagedBlob(digest, name);
  }

  const TreeMessage& tree_;
  const int blobs_;
  TreeWriter* const writer_;
  ProgressReport* const progress_;
};

}  // namespace

absl::Status ImportUploadedTree(const std::string& blobs, const std::string& tree,
                                const std::string& to, uint64_t bytes_max) {
  ASSIGN_OR_RETURN(const UniqueFd directory, OpenAt(AT_FDCWD, blobs, O_RDONLY | O_DIRECTORY));
  ASSIGN_OR_RETURN(const std::string bytes, ReadTree(directory.get(), tree));
  ASSIGN_OR_RETURN(const TreeMessage message, ParseTree(bytes));
  ASSIGN_OR_RETURN(const TreeMeasure measure, MeasureTree(message));
  ProgressReport progress(measure.file_bytes);
  ASSIGN_OR_RETURN(UniqueFd root, MakeImportRoot(to));
  TreeWriter writer(std::move(root), SnapshotPolicy(bytes_max), &progress);
  RETURN_IF_ERROR(
      Materializing(message, directory.get(), &writer, &progress).Directory("", message.root));
  return writer.Finish();
}

}  // namespace glovebox
