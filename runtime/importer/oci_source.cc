#include "importer/oci_source.h"

#include <archive.h>
#include <archive_entry.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "base/status.h"
#include "importer/entry_name.h"
#include "importer/refusal.h"
#include "linux/file_io.h"

namespace glovebox {
namespace {

constexpr int kLinksMax = 4;

// A file and the source over it.
class OwnedFileSource final : public ByteSource {
 public:
  OwnedFileSource(UniqueFd fd, uint64_t size, ProgressReport* progress)
      : fd_(std::move(fd)), source_(fd_.get(), 0, size, progress) {}
  absl::StatusOr<absl::string_view> Next() override { return source_.Next(); }

 private:
  const UniqueFd fd_;
  FileSource source_;
};

// One entry of a tar file, found by reading over what is before it.
class TarMember final : public ByteSource {
 public:
  TarMember(int fd, uint64_t size, bool packed, ProgressReport* progress)
      : file_(fd, 0, size, progress) {
    ByteSource* tar = &file_;
    if (packed) {
      unpacked_ = std::make_unique<UnpackedSource>(&file_, UINT64_MAX);
      tar = unpacked_.get();
    }
    archive_ = std::make_unique<FedArchive>(tar, FedArchive::Reads::kTar);
  }

  // The target when `name` is a symbolic link, else "".
  absl::StatusOr<std::string> Find(const std::string& name) {
    RETURN_IF_ERROR(archive_->Open());
    for (;;) {
      archive_entry* entry = nullptr;
      const int code = ::archive_read_next_header(archive_->handle(), &entry);
      if (code == ARCHIVE_EOF) return absl::NotFoundError(name);
      if (code < ARCHIVE_WARN) return archive_->Error();
      const char* raw = ::archive_entry_pathname(entry);
      const auto here = NormalizeName(raw != nullptr ? raw : "", AbsoluteNames::kRefused);
      if (!here.ok() || *here != name) continue;
      const char* link = ::archive_entry_symlink(entry);
      if (link != nullptr) return std::string(link);
      if (::archive_entry_hardlink(entry) == nullptr &&
          ::archive_entry_filetype(entry) == AE_IFREG) {
        return std::string();
      }
      return RefuseEntry(name, "is no file");
    }
  }

  absl::StatusOr<absl::string_view> Next() override {
    const void* block = nullptr;
    size_t size = 0;
    la_int64_t offset = 0;
    do {
      const int code = ::archive_read_data_block(archive_->handle(), &block, &size, &offset);
      if (code == ARCHIVE_EOF) return absl::string_view();
      if (code < ARCHIVE_WARN) return archive_->Error();
      // A sparse entry would not be the bytes that were digested.
      if (offset != static_cast<la_int64_t>(at_)) return RefuseEntry("", "a blob has holes");
    } while (size == 0);
    at_ += size;
    return absl::string_view(static_cast<const char*>(block), size);
  }

 private:
  FileSource file_;
  std::unique_ptr<UnpackedSource> unpacked_;
  std::unique_ptr<FedArchive> archive_;
  uint64_t at_ = 0;
};

absl::StatusOr<bool> IsPacked(int fd) {
  char beginning[6] = {};
  const ssize_t size = ::pread(fd, beginning, sizeof beginning, 0);
  if (size < 0) return ErrnoError(errno, "read the source");
  const absl::string_view bytes(beginning, static_cast<size_t>(size));
  return absl::StartsWith(bytes, "\x1f\x8b") || absl::StartsWith(bytes, "\x28\xb5\x2f\xfd") ||
         absl::StartsWith(bytes,
                          "\xfd"
                          "7zXZ");
}

// What a link in an archive leads to, in the archive. Old ones name a layer that another has, too.
absl::StatusOr<std::string> Follow(const std::string& name, const std::string& target) {
  std::vector<std::string> components;
  const std::string whole = absl::StrCat(SplitLast(name).parent, "/", target);
  for (const absl::string_view component : absl::StrSplit(whole, '/', absl::SkipEmpty())) {
    if (component == ".") continue;
    if (component != "..") {
      components.emplace_back(component);
    } else if (components.empty()) {
      return RefuseEntry(name, "is a link out of the archive");
    } else {
      components.pop_back();
    }
  }
  return absl::StrJoin(components, "/");
}

}  // namespace

absl::StatusOr<OciSource> OciSource::Open(const std::string& path) {
  ASSIGN_OR_RETURN(UniqueFd fd, OpenAt(AT_FDCWD, path, O_RDONLY));
  struct stat status {};
  if (::fstat(fd.get(), &status) != 0) return ErrnoError(errno, "fstat of the source");
  const bool is_directory = S_ISDIR(status.st_mode);
  bool packed = false;
  if (!is_directory) {
    ASSIGN_OR_RETURN(packed, IsPacked(fd.get()));
  }
  return OciSource(std::move(fd), is_directory, static_cast<uint64_t>(status.st_size), packed);
}

absl::StatusOr<UniqueFd> OciSource::OpenInDirectory(const std::string& name) const {
  open_how how{};
  how.flags = O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC;
  how.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS;
  UniqueFd fd(static_cast<int>(::syscall(SYS_openat2, fd_.get(), name.c_str(), &how, sizeof how)));
  if (!fd.valid()) {
    if (errno == ENOENT) return absl::NotFoundError(name);
    if (errno == EACCES) return RefuseEntry(name, "cannot be read by the owner of the directory");
    return RefuseEntry(name, "is no file below the directory");
  }
  struct stat status {};
  if (::fstat(fd.get(), &status) != 0) return ErrnoError(errno, "fstat of a blob");
  if (!S_ISREG(status.st_mode)) return RefuseEntry(name, "is no file");
  return fd;
}

absl::StatusOr<std::unique_ptr<ByteSource>> OciSource::OpenFile(const std::string& name,
                                                                ProgressReport* progress) const {
  if (is_directory_) {
    ASSIGN_OR_RETURN(UniqueFd fd, OpenInDirectory(name));
    return std::make_unique<OwnedFileSource>(std::move(fd), UINT64_MAX, progress);
  }
  std::string at = name;
  for (int links = 0; links < kLinksMax; ++links) {
    auto member = std::make_unique<TarMember>(fd_.get(), size_, packed_, progress);
    ASSIGN_OR_RETURN(const std::string target, member->Find(at));
    if (target.empty()) return member;
    ASSIGN_OR_RETURN(at, Follow(at, target));
  }
  return RefuseEntry(name, "is a link to a link to a link");
}

absl::StatusOr<std::string> OciSource::Read(const std::string& name, size_t bytes_max) const {
  ASSIGN_OR_RETURN(const std::unique_ptr<ByteSource> file, OpenFile(name, nullptr));
  std::string content;
  for (;;) {
    ASSIGN_OR_RETURN(const absl::string_view piece, file->Next());
    if (piece.empty()) return content;
    if (piece.size() > bytes_max - content.size()) {
      return EntryTooLarge(name, absl::StrCat("has more than ", bytes_max, " bytes"));
    }
    content.append(piece.data(), piece.size());
  }
}

uint64_t OciSource::SizeOf(const std::string& name) const {
  if (!is_directory_) return size_;
  const absl::StatusOr<UniqueFd> fd = OpenInDirectory(name);
  struct stat status {};
  return fd.ok() && ::fstat(fd->get(), &status) == 0 ? static_cast<uint64_t>(status.st_size) : 0;
}

}  // namespace glovebox
