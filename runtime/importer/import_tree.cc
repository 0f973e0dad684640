#include "importer/import_tree.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "base/unique_fd.h"
#include "importer/byte_source.h"
#include "importer/directory_copy.h"
#include "importer/progress_report.h"
#include "importer/refusal.h"
#include "importer/tar_unpack.h"
#include "importer/tree_writer.h"
#include "linux/file_io.h"
#include "snapshot/blob_digest.h"

namespace glovebox {
namespace {

// Beside its files, a tar has headers and padding: at most so much more than the files may have.
constexpr uint64_t kTarOverhead = 4;

// Of a blob that was read up to where the archive ended, or was refused.
absl::Status CompareBlob(const std::string& blob, DigestedSource* source) {
  const std::optional<BlobDigest> digest = ParseBlobFileName(blob);
  if (!digest.has_value()) return absl::InternalError("the blob's name is no digest");
  ASSIGN_OR_RETURN(const std::string hash, source->Finish());
  return hash == digest->hash ? absl::OkStatus() : RefuseDamagedBlob(*digest, "the archive");
}

}  // namespace

absl::StatusOr<UniqueFd> MakeImportRoot(const std::string& to) {
  if (::mkdir(to.c_str(), 0755) != 0) return ErrnoError(errno, absl::StrCat("mkdir ", to));
  return OpenAt(AT_FDCWD, to, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
}

TreePolicy SnapshotPolicy(uint64_t bytes_max) {
  TreePolicy policy;
  policy.bytes_max = bytes_max;
  return policy;
}

absl::Status ImportArchive(const std::string& from, const std::string& to, uint64_t bytes_max,
                           const std::string& blob) {
  ASSIGN_OR_RETURN(const UniqueFd file, OpenAt(AT_FDCWD, from, O_RDONLY));
  struct stat status {};
  if (::fstat(file.get(), &status) != 0) return ErrnoError(errno, "fstat");
  const auto size = static_cast<uint64_t>(status.st_size);
  ProgressReport progress(size);
  ASSIGN_OR_RETURN(UniqueFd root, MakeImportRoot(to));
  TreeWriter writer(std::move(root), SnapshotPolicy(bytes_max), &progress);
  FileSource packed(file.get(), 0, size, &progress);
  DigestedSource compared(&packed);
  UnpackedSource tar(blob.empty() ? static_cast<ByteSource*>(&packed) : &compared,
                     std::max(size, bytes_max) * kTarOverhead);
  const absl::Status unpacked = UnpackTar(&tar, TarOptions{}, &writer);
  // Damage on our disk is not the archive's fault.
  if (!blob.empty()) RETURN_IF_ERROR(CompareBlob(blob, &compared));
  RETURN_IF_ERROR(unpacked);
  return writer.Finish();
}

absl::Status ImportDirectory(const std::string& from, const std::string& to, uint64_t bytes_max) {
  ASSIGN_OR_RETURN(UniqueFd source, OpenAt(AT_FDCWD, from, O_RDONLY | O_DIRECTORY));
  ProgressReport progress(0);
  ASSIGN_OR_RETURN(UniqueFd root, MakeImportRoot(to));
  TreeWriter writer(std::move(root), SnapshotPolicy(bytes_max), &progress);
  RETURN_IF_ERROR(CopyDirectory(std::move(source), &writer, &progress));
  return writer.Finish();
}

}  // namespace glovebox
