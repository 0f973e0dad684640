#include "tools/glovebox/archive_unpack.h"

#include <archive.h>
#include <archive_entry.h>
#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <memory>

#include "absl/strings/str_cat.h"
#include "base/escape.h"
#include "base/status.h"
#include "base/unique_fd.h"
#include "tools/glovebox/failure.h"
#include "tools/glovebox/sizes.h"

namespace glovebox {
namespace {

constexpr mode_t kModeKept = 01777;
// UNLINK: a file is replaced rather than written through, so a symlink or hard link in its place is
// not followed.
constexpr int kDiskFlags = ARCHIVE_EXTRACT_TIME | ARCHIVE_EXTRACT_UNLINK |
                           ARCHIVE_EXTRACT_SECURE_SYMLINKS | ARCHIVE_EXTRACT_SECURE_NODOTDOT |
                           ARCHIVE_EXTRACT_SECURE_NOABSOLUTEPATHS;

struct ReadCloser {
  void operator()(archive* handle) const { (void)::archive_read_free(handle); }
};
struct WriteCloser {
  void operator()(archive* handle) const { (void)::archive_write_free(handle); }
};

struct SourceState {
  const PieceSource& source;
  uint64_t bytes_left;
  absl::Status status;
};

la_ssize_t ReadFromSource(archive* handle, void* data, const void** buffer) {
  auto* state = static_cast<SourceState*>(data);
  absl::StatusOr<absl::string_view> piece = state->source();
  if (piece.ok() && piece->size() > state->bytes_left) {
    piece = absl::ResourceExhaustedError("the archive is larger than allowed (--limit)");
  }
  if (!piece.ok()) {
    state->status = piece.status();
    ::archive_set_error(handle, EIO, "the stream failed");
    return -1;
  }
  state->bytes_left -= piece->size();
  *buffer = piece->data();
  return static_cast<la_ssize_t>(piece->size());
}

class Unpacker {
 public:
  Unpacker(SourceState& source, absl::string_view top, const TargetPlanner& planner,
           UnpackResult* result)
      : source_(source),
        top_(top),
        planner_(planner),
        result_(result),
        reader_(::archive_read_new()),
        disk_(::archive_write_disk_new()) {}

  absl::Status Run() {
    (void)::archive_read_support_format_tar(reader_.get());
    (void)::archive_write_disk_set_options(disk_.get(), kDiskFlags);
    if (::archive_read_open(reader_.get(), &source_, nullptr, ReadFromSource, nullptr) !=
        ARCHIVE_OK) {
      return ReaderError();
    }
    while (true) {
      archive_entry* entry = nullptr;
      const int code = ::archive_read_next_header(reader_.get(), &entry);
      if (code == ARCHIVE_EOF) break;
      if (code < ARCHIVE_WARN) return ReaderError();
      RETURN_IF_ERROR(Unpack(entry));
    }
    // Directories get their times and modes now.
    if (::archive_write_close(disk_.get()) < ARCHIVE_WARN) return DiskError("close");
    return absl::OkStatus();
  }

 private:
  absl::Status Plan(bool is_directory) {
    ASSIGN_OR_RETURN(target_, planner_(is_directory));
    planned_ = true;
    // Names are relative from here on, which is what SECURE_SYMLINKS can watch over.
    if (::chdir(target_.directory.c_str()) != 0) {
      return ErrnoError(errno, absl::StrCat("enter ", EscapeForPeople(target_.directory)));
    }
    return absl::OkStatus();
  }

  absl::Status Unpack(archive_entry* entry) {
    const char* raw = ::archive_entry_pathname(entry);
    const std::string member = raw != nullptr ? raw : "";
    const auto type = ::archive_entry_filetype(entry);
    const char* hardlink = ::archive_entry_hardlink(entry);
    if (!planned_) RETURN_IF_ERROR(Plan(type == AE_IFDIR && hardlink == nullptr));
    ASSIGN_OR_RETURN(const std::string name, RenameMember(member, top_, target_.name));
    if (hardlink != nullptr) {
      ASSIGN_OR_RETURN(const std::string to, RenameMember(hardlink, top_, target_.name));
      ::archive_entry_set_hardlink(entry, to.c_str());
    } else if (type != AE_IFREG && type != AE_IFDIR && type != AE_IFLNK) {
      ++result_->skipped;
      Note(absl::StrCat("not copied: ", EscapeForPeople(member),
                        " is neither file, directory nor symlink"));
      return absl::OkStatus();
    }
    if (name.empty()) return absl::OkStatus();  // the directory of the target, which is there
    ::archive_entry_set_pathname(entry, name.c_str());
    ::archive_entry_set_perm(entry, ::archive_entry_perm(entry) & kModeKept);
    if (::archive_write_header(disk_.get(), entry) < ARCHIVE_WARN) return DiskError(name);
    RETURN_IF_ERROR(Content(name));
    if (::archive_write_finish_entry(disk_.get()) < ARCHIVE_WARN) return DiskError(name);
    ++result_->entries;
    return absl::OkStatus();
  }

  absl::Status Content(const std::string& name) {
    while (true) {
      const void* block = nullptr;
      size_t size = 0;
      la_int64_t offset = 0;
      const int code = ::archive_read_data_block(reader_.get(), &block, &size, &offset);
      if (code == ARCHIVE_EOF) return absl::OkStatus();
      if (code < ARCHIVE_WARN) return ReaderError();
      if (::archive_write_data_block(disk_.get(), block, size, offset) < ARCHIVE_WARN) {
        return DiskError(name);
      }
    }
  }

  absl::Status ReaderError() const {
    if (!source_.status.ok()) return source_.status;
    return absl::InvalidArgumentError(absl::StrCat(
        "not a tar stream, or a broken one: ",
        EscapeForPeople(absl::NullSafeStringView(::archive_error_string(reader_.get())), 300)));
  }
  absl::Status DiskError(absl::string_view name) const {
    return absl::FailedPreconditionError(absl::StrCat(
        "write ", EscapeForPeople(name), ": ",
        EscapeForPeople(absl::NullSafeStringView(::archive_error_string(disk_.get())), 300)));
  }

  SourceState& source_;
  const absl::string_view top_;
  const TargetPlanner& planner_;
  UnpackResult* const result_;
  CopyTarget target_;
  bool planned_ = false;
  std::unique_ptr<archive, ReadCloser> reader_;
  std::unique_ptr<archive, WriteCloser> disk_;
};

}  // namespace

absl::Status UnpackTree(const PieceSource& source, absl::string_view top,
                        const TargetPlanner& planner, uint64_t stream_bytes_max,
                        UnpackResult* result) {
  UniqueFd before(::open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  SourceState state{source, stream_bytes_max, absl::OkStatus()};
  absl::Status status = Unpacker(state, top, planner, result).Run();
  if (before.valid() && ::fchdir(before.get()) != 0 && status.ok()) {
    status = ErrnoError(errno, "go back to the working directory");
  }
  return status;
}

}  // namespace glovebox
