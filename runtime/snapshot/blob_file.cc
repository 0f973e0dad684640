#include "snapshot/blob_file.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "absl/strings/str_cat.h"
#include "base/sha256.h"
#include "base/status.h"
#include "base/unique_fd.h"
#include "linux/file_io.h"

namespace glovebox {
namespace {

constexpr size_t kPieceBytes = size_t{256} << 10;

}  // namespace

absl::Status WriteBlobAt(int fd, uint64_t offset, absl::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t count = ::pwrite(fd, bytes.data(), bytes.size(), static_cast<off_t>(offset));
    if (count < 0 && errno == EINTR) continue;
    if (count < 0 && (errno == ENOSPC || errno == EDQUOT)) {
      return DetailedError(absl::StatusCode::kResourceExhausted,
                           "the disk of the daemon's host is full",
                           {"STORE_FULL", {{"remedy", "make room on the host"}}});
    }
    if (count < 0) return ErrnoError(errno, "pwrite of a blob");
    bytes.remove_prefix(static_cast<size_t>(count));
    offset += static_cast<size_t>(count);
  }
  return absl::OkStatus();
}

absl::StatusOr<bool> IsBlob(int fd, const BlobDigest& digest) {
  Sha256 sum;
  std::string piece(kPieceBytes, '\0');
  uint64_t done = 0;
  for (;;) {
    // One byte more than there should be would be seen.
    const ssize_t count = ::pread(fd, piece.data(), piece.size(), static_cast<off_t>(done));
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return ErrnoError(errno, "pread of a blob");
    if (count == 0) break;
    sum.Update(absl::string_view(piece.data(), static_cast<size_t>(count)));
    done += static_cast<size_t>(count);
    if (done > digest.size_bytes) return false;
  }
  return done == digest.size_bytes && sum.FinishHex() == digest.hash;
}

absl::StatusOr<bool> IsBlobAt(const std::string& path, const BlobDigest& digest) {
  const absl::StatusOr<UniqueFd> fd = OpenAt(AT_FDCWD, path, O_RDONLY | O_NOFOLLOW);
  if (absl::IsNotFound(fd.status())) return false;
  RETURN_IF_ERROR(fd.status());
  return IsBlob(fd->get(), digest);
}

absl::Status DigestMismatch(const BlobDigest& digest) {
  return DetailedError(absl::StatusCode::kInvalidArgument,
                       absl::StrCat("what came is not what ", digest.hash, " of ",
                                    digest.size_bytes, " bytes names"),
                       {"DIGEST_MISMATCH", {{"digest", digest.hash}}});
}

absl::Status BlobNotFound(const BlobDigest& digest) {
  return DetailedError(
      absl::StatusCode::kNotFound,
      absl::StrCat("no blob ", digest.hash, " of ", digest.size_bytes, " bytes is uploaded"),
      {"BLOB_NOT_FOUND", {{"digest", digest.hash}}});
}

absl::Status BlobDamaged(const BlobDigest& digest) {
  return DetailedError(absl::StatusCode::kDataLoss,
                       absl::StrCat("the blob ", digest.hash,
                                    " was damaged on the daemon's disk and is removed; upload it "
                                    "again"),
                       {"STORE_CORRUPT", {{"digest", digest.hash}}});
}

}  // namespace glovebox
