#include "changes/file_side.h"

#include <algorithm>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/escape.h"
#include "base/status.h"
#include "changes/blob_id.h"
#include "changes/layer_view.h"
#include "changes/text_hunks.h"
#include "linux/open_beneath.h"

namespace glovebox {
namespace {

constexpr size_t kPieceBytes = 256 * 1024;

absl::Status ChangedDuringPatch(const std::string& path) {
  const std::string shown = EscapeForPeople(path, 256);
  return DetailedError(
      absl::StatusCode::kAborted,
      absl::StrCat("\"", shown,
                   "\" changed while the patch was written; freeze the sandbox and "
                   "write it again"),
      {"FILE_KEPT_CHANGING", {{"path", shown}}});
}

// Exactly `side.size_bytes` bytes, whatever the file has become meanwhile, and their id.
absl::StatusOr<std::string> Stream(const FileSide& side, const std::string& path,
                                   const TimeAllowance& time, PatchSink consume) {
  std::vector<char> piece(kPieceBytes);
  BlobHasher hasher(side.size_bytes);
  for (uint64_t offset = 0; offset < side.size_bytes;) {
    RETURN_IF_ERROR(time.Check(path));
    const auto wanted =
        static_cast<size_t>(std::min<uint64_t>(kPieceBytes, side.size_bytes - offset));
    ASSIGN_OR_RETURN(const size_t got, ReadAt(side.streamed.get(), offset, piece.data(), wanted));
    if (got < wanted) return ChangedDuringPatch(path);
    hasher.Update({piece.data(), got});
    RETURN_IF_ERROR(consume({piece.data(), got}));
    offset += got;
  }
  return hasher.HexId();
}

absl::StatusOr<FileSide> ReadFileSide(const OpenedFile& pinned, const std::string& path,
                                      const PatchLimits& limits, const TimeAllowance& time) {
  ASSIGN_OR_RETURN(OpenedFile file, OpenPinned(pinned));
  RETURN_IF_ERROR(RefuseMetacopy(file.fd.get()));
  FileSide side;
  side.mode = (file.stat.st_mode & S_IXUSR) != 0 ? kModeExecutable : kModeFile;
  side.size_bytes = static_cast<uint64_t>(file.stat.st_size);
  if (side.size_bytes > limits.file_bytes_max) {
    return DetailedError(absl::StatusCode::kResourceExhausted,
                         absl::StrCat("file has more than ", limits.file_bytes_max, " bytes"),
                         {"FILE_TOO_LARGE", {{"max", absl::StrCat(limits.file_bytes_max)}}});
  }
  if (side.size_bytes <= limits.text_bytes_max) {
    ASSIGN_OR_RETURN(side.content, ReadWhole(file.fd.get(), limits.text_bytes_max));
    side.size_bytes = side.content.size();
    side.is_binary = LooksBinary(side.content);
    side.id = BlobId(side.content);
  } else {
    side.streamed = std::move(file.fd);
    side.is_binary = true;
    ASSIGN_OR_RETURN(side.id,
                     Stream(side, path, time, [](absl::string_view) { return absl::OkStatus(); }));
  }
  return side;
}

}  // namespace

FileSide AbsentSide() {
  FileSide side;
  side.id = std::string(kNoBlobId);
  return side;
}

absl::StatusOr<FileSide> ReadSide(int root_fd, const std::string& path, const PatchLimits& limits,
                                  const TimeAllowance& time) {
  ASSIGN_OR_RETURN(const OpenedFile pinned, PinBeneath(root_fd, path));
  FileSide side;
  if (S_ISLNK(pinned.stat.st_mode)) {
    side.mode = kModeSymlink;
    ASSIGN_OR_RETURN(side.content, ReadPinnedLink(pinned));
    side.size_bytes = side.content.size();
    side.id = BlobId(side.content);
  } else {
    ASSIGN_OR_RETURN(side, ReadFileSide(pinned, path, limits, time));
  }
  if (side.id.empty()) return absl::InternalError("OpenSSL does not compute SHA-1 on this host");
  return side;
}

absl::Status ForEachPiece(const FileSide& side, const std::string& path, const TimeAllowance& time,
                          PatchSink consume) {
  if (!side.streamed.valid()) return consume(side.content);
  ASSIGN_OR_RETURN(const std::string id, Stream(side, path, time, consume));
  return id == side.id ? absl::OkStatus() : ChangedDuringPatch(path);
}

}  // namespace glovebox
