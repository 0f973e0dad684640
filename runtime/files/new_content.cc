#include "files/new_content.h"

#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include <cerrno>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/escape.h"
#include "base/status.h"

namespace glovebox {
namespace {

constexpr size_t kPieceBytes = 256 * 1024;
constexpr size_t kShownBytesMax = 500;

absl::Status Changed(const Place& place, const std::string& digest) {
  ErrorDetail detail{"DIGEST_MISMATCH", {}};
  if (!digest.empty()) detail.metadata["digest"] = digest;
  return DetailedError(absl::StatusCode::kFailedPrecondition,
                       absl::StrCat(EscapeForPeople(place.path, kShownBytesMax),
                                    " is not as expected; read it again"),
                       detail);
}

// A second name of the new content while it is exchanged: by it another run sees which of the two
// files is the new one.
std::string MarkOf(const std::string& temporary_name) { return temporary_name + "-new"; }

// 0: there is none.
ino_t InodeOf(int directory, const std::string& name) {
  struct stat stat {};
  if (::fstatat(directory, name.c_str(), &stat, AT_SYMLINK_NOFOLLOW) != 0) return 0;
  return stat.st_ino;
}

}  // namespace

absl::StatusOr<NewContent> NewContent::Begin(const Place* place,
                                             const std::string& temporary_name) {
  NewContent made(place, "");
  if (place->of_directory) return PathError(EISDIR, "write", place->path);
  ASSIGN_OR_RETURN(made.before_, Look(*place));
  const int directory = place->directory.get();
  if (made.before_.has_value()) {
    if (!S_ISREG(made.before_->st_mode)) return PathError(EISDIR, "write", place->path);
    // A file that may not be written is not to be replaced either.
    if (::faccessat(directory, place->name.c_str(), W_OK, AT_EACCESS | AT_SYMLINK_NOFOLLOW) != 0) {
      return PathError(errno, "write", place->path);
    }
  }
  made.fd_.Reset(::openat(directory, temporary_name.c_str(),
                          O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600));
  if (!made.fd_.valid()) return PathError(errno, "make a file beside", place->path);
  made.temporary_name_ = temporary_name;
  return made;
}

NewContent::NewContent(NewContent&& other) noexcept
    : place_(other.place_),
      temporary_name_(std::exchange(other.temporary_name_, {})),
      before_(other.before_),
      fd_(std::move(other.fd_)),
      mode_(other.mode_),
      digest_(other.digest_) {}

NewContent::~NewContent() {
  if (temporary_name_.empty()) return;
  // What cannot be removed now is in the way of nothing, and the daemon asks for it again.
  (void)::unlinkat(place_->directory.get(), temporary_name_.c_str(), 0);
}

absl::Status NewContent::Write(absl::string_view bytes) {
  digest_.Update(bytes);
  while (!bytes.empty()) {
    const ssize_t size = ::write(fd_.get(), bytes.data(), bytes.size());
    if (size < 0 && errno == EINTR) continue;
    if (size < 0) return PathError(errno, "write", place_->path);
    bytes.remove_prefix(static_cast<size_t>(size));
  }
  return absl::OkStatus();
}

absl::Status NewContent::SetMode() {
  const mode_t kept = before_.has_value() ? before_->st_mode & 0777 : 0644;
  if (::fchmod(fd_.get(), mode_.value_or(kept)) != 0) {
    return PathError(errno, "set the mode of", place_->path);
  }
  return absl::OkStatus();
}

absl::Status NewContent::Rename(unsigned flags) {
  const int directory = place_->directory.get();
  if (::renameat2(directory, temporary_name_.c_str(), directory, place_->name.c_str(), flags) !=
      0) {
    return PathError(errno, "put in place", place_->path);
  }
  return absl::OkStatus();
}

absl::Status NewContent::Replace() {
  RETURN_IF_ERROR(SetMode());
  RETURN_IF_ERROR(Rename(0));
  temporary_name_.clear();
  return absl::OkStatus();
}

absl::Status NewContent::PlaceNew() {
  RETURN_IF_ERROR(SetMode());
  RETURN_IF_ERROR(Rename(RENAME_NOREPLACE));
  temporary_name_.clear();
  return absl::OkStatus();
}

absl::Status NewContent::ReplaceUnchanged(const std::function<void()>& at_step) {
  const auto notice = [&at_step] {
    if (at_step != nullptr) at_step();
  };
  if (!before_.has_value()) return PathError(ENOENT, "replace", place_->path);
  RETURN_IF_ERROR(SetMode());
  const int directory = place_->directory.get();
  const std::string mark = MarkOf(temporary_name_);
  notice();
  if (::linkat(directory, temporary_name_.c_str(), directory, mark.c_str(), 0) != 0) {
    return PathError(errno, "make a file beside", place_->path);
  }
  absl::Status status = ExchangeUnchanged(notice);
  // While the mark is there the exchange can be taken back: so it goes last.
  notice();
  if (::unlinkat(directory, temporary_name_.c_str(), 0) == 0) temporary_name_.clear();
  notice();
  (void)::unlinkat(directory, mark.c_str(), 0);
  return status;
}

absl::Status NewContent::ExchangeUnchanged(const std::function<void()>& at_step) {
  at_step();
  RETURN_IF_ERROR(Rename(RENAME_EXCHANGE));
  at_step();
  // Whatever was there at that moment has the temporary name now, and goes with it.
  struct stat replaced {};
  if (::fstatat(place_->directory.get(), temporary_name_.c_str(), &replaced, AT_SYMLINK_NOFOLLOW) ==
          0 &&
      SameContent(replaced, *before_)) {
    return absl::OkStatus();
  }
  RETURN_IF_ERROR(Rename(RENAME_EXCHANGE));
  return Changed(*place_, "");
}

void NewContent::TakeBack(const Place& place, const std::string& temporary_name) {
  const int directory = place.directory.get();
  const std::string mark = MarkOf(temporary_name);
  const ino_t made = InodeOf(directory, mark);
  const ino_t left = InodeOf(directory, temporary_name);
  if (made != 0 && left != 0 && left != made && InodeOf(directory, place.name) == made) {
    (void)::renameat2(directory, temporary_name.c_str(), directory, place.name.c_str(),
                      RENAME_EXCHANGE);
  }
  Discard(place, temporary_name);
}

void NewContent::Discard(const Place& place, const std::string& temporary_name) {
  // ENOENT, or a patch's directory.
  (void)::unlinkat(place.directory.get(), temporary_name.c_str(), 0);
  (void)::unlinkat(place.directory.get(), MarkOf(temporary_name).c_str(), 0);
}

absl::StatusOr<struct stat> NewContent::stat() const {
  struct stat stat {};
  if (::fstat(fd_.get(), &stat) != 0) return PathError(errno, "look at", place_->path);
  return stat;
}

absl::Status CheckDigest(const Place& place, const std::string& expected) {
  ASSIGN_OR_RETURN(const OpenFile file, OpenForReading(place));
  Sha256Stream digest;
  std::string piece(kPieceBytes, '\0');
  for (;;) {
    const ssize_t size = ::read(file.fd.get(), piece.data(), piece.size());
    if (size < 0 && errno == EINTR) continue;
    if (size < 0) return PathError(errno, "read", place.path);
    if (size == 0) break;
    digest.Update(absl::string_view(piece.data(), static_cast<size_t>(size)));
  }
  const std::string actual = digest.Digest();
  return actual == expected ? absl::OkStatus() : Changed(place, actual);
}

}  // namespace glovebox
