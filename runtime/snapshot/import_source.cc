#include "snapshot/import_source.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <memory>
#include <optional>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "base/escape.h"
#include "base/sha256.h"
#include "base/status.h"
#include "linux/file_io.h"

namespace glovebox {
namespace {

constexpr size_t kPathBytesMax = 4095;
constexpr size_t kRevisionBytesMax = 250;

absl::Status PathError(absl::string_view path, absl::string_view rule) {
  const std::string shown = EscapeForPeople(path, 300);
  return DetailedError(absl::StatusCode::kInvalidArgument,
                       absl::StrCat("path \"", shown, "\": ", rule),
                       {"PATH_INVALID", {{"path", shown}}});
}

absl::Status RevisionError(absl::string_view revision) {
  const std::string shown = EscapeForPeople(revision, 300);
  return DetailedError(
      absl::StatusCode::kInvalidArgument,
      absl::StrCat("revision \"", shown, "\" is not the name of a branch or tag or a commit id"),
      {"REVISION_INVALID", {{"revision", shown}}});
}

absl::StatusOr<std::string> CanonicalPath(int fd) {
  char target[kPathBytesMax + 1];
  const std::string link = absl::StrCat("/proc/self/fd/", fd);
  const ssize_t size = ::readlink(link.c_str(), target, sizeof target);
  if (size < 0) return ErrnoError(errno, absl::StrCat("readlink ", link));
  return std::string(target, static_cast<size_t>(size));
}

}  // namespace

absl::StatusOr<ImportSource> IdentifySource(const std::string& path,
                                            absl::string_view reason_missing,
                                            const SourcePolicy& allowed) {
  if (path.size() > kPathBytesMax) return PathError(path, "is too long");
  if (!absl::StartsWith(path, "/")) return PathError(path, "must be absolute");
  if (EscapeForPeople(path) != path) {
    return PathError(path, "must be printable UTF-8 without backslashes");
  }
  absl::StatusOr<UniqueFd> fd = OpenAt(AT_FDCWD, path, O_PATH);
  if (!fd.ok()) {
    const std::optional<ErrorDetail> detail = GetErrorDetail(fd.status());
    const bool under_a_file = detail.has_value() && detail->metadata.count("errno") != 0 &&
                              detail->metadata.at("errno") == absl::StrCat(ENOTDIR);
    if (!absl::IsNotFound(fd.status()) && !under_a_file) return fd.status();
    return DetailedError(absl::StatusCode::kNotFound, absl::StrCat(path, " does not exist"),
                         {std::string(reason_missing), {{"path", path}}});
  }
  struct stat status {};
  if (::fstat(fd->get(), &status) != 0) return ErrnoError(errno, absl::StrCat("fstat ", path));
  if (!S_ISDIR(status.st_mode) && !S_ISREG(status.st_mode)) {
    return DetailedError(absl::StatusCode::kFailedPrecondition,
                         absl::StrCat(path, " is neither a directory nor a regular file"),
                         {"PATH_NOT_SUPPORTED", {{"path", path}}});
  }
  ImportSource source{
      .path = "", .is_directory = S_ISDIR(status.st_mode), .key = "", .pinned = nullptr};
  ASSIGN_OR_RETURN(source.path, CanonicalPath(fd->get()));
  if (allowed) RETURN_IF_ERROR(allowed(source.path));
  Sha256 key;
  key.UpdateField(source.path);
  key.UpdateField(absl::StrCat(status.st_dev, " ", status.st_ino));
  source.key = key.FinishHex();
  source.pinned = std::make_shared<const UniqueFd>(*std::move(fd));
  return source;
}

absl::StatusOr<std::string> ParseRevision(absl::string_view text) {
  if (text.empty()) return std::string("HEAD");
  if (text.size() > kRevisionBytesMax || text.front() == '-') return RevisionError(text);
  if (absl::StrContains(text, "..") || text.find_first_of(" :?*[\\{}^~\"'") != text.npos) {
    return RevisionError(text);
  }
  if (EscapeForPeople(text) != text) return RevisionError(text);
  return std::string(text);
}

}  // namespace glovebox
