#include "tools/glovebox/archive_pack.h"

#include <archive.h>
#include <archive_entry.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <memory>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/escape.h"
#include "base/status.h"
#include "base/unique_fd.h"
#include "tools/glovebox/copy_names.h"
#include "tools/glovebox/failure.h"

namespace glovebox {
namespace {

constexpr mode_t kModeKept = 01777;
constexpr size_t kBufferBytes = 256 << 10;

struct WriteCloser {
  void operator()(archive* handle) const { (void)::archive_write_free(handle); }
};
struct DiskCloser {
  void operator()(archive* handle) const { (void)::archive_read_free(handle); }
};
struct EntryCloser {
  void operator()(archive_entry* entry) const { ::archive_entry_free(entry); }
};

struct SinkState {
  const std::function<absl::Status(absl::string_view)>& sink;
  absl::Status status;
};

la_ssize_t WriteToSink(archive* handle, void* data, const void* buffer, size_t size) {
  auto* state = static_cast<SinkState*>(data);
  state->status = state->sink({static_cast<const char*>(buffer), size});
  if (state->status.ok()) return static_cast<la_ssize_t>(size);
  ::archive_set_error(handle, EIO, "the receiver failed");
  return -1;
}

class Packer {
 public:
  Packer(const std::string& name, const std::string& renamed, SinkState& sink, PackResult* result)
      : name_(name),
        renamed_(renamed),
        sink_(sink),
        result_(result),
        writer_(::archive_write_new()),
        disk_(::archive_read_disk_new()) {}

  absl::Status Run() {
    (void)::archive_write_set_format_pax_restricted(writer_.get());
    (void)::archive_write_set_bytes_per_block(writer_.get(), 64 << 10);
    (void)::archive_write_set_bytes_in_last_block(writer_.get(), 1);
    (void)::archive_read_disk_set_symlink_physical(disk_.get());
    (void)::archive_read_disk_set_behavior(disk_.get(), ARCHIVE_READDISK_NO_XATTR |
                                                            ARCHIVE_READDISK_NO_ACL |
                                                            ARCHIVE_READDISK_NO_FFLAGS);
    if (::archive_write_open(writer_.get(), &sink_, nullptr, WriteToSink, nullptr) != ARCHIVE_OK) {
      return WriterError();
    }
    if (::archive_read_disk_open(disk_.get(), name_.c_str()) != ARCHIVE_OK) return DiskError();
    RETURN_IF_ERROR(EachEntry());
    if (::archive_write_close(writer_.get()) != ARCHIVE_OK) return WriterError();
    return absl::OkStatus();
  }

 private:
  absl::Status EachEntry() {
    while (true) {
      std::unique_ptr<archive_entry, EntryCloser> entry(::archive_entry_new());
      const int code = ::archive_read_next_header2(disk_.get(), entry.get());
      if (code == ARCHIVE_EOF) return absl::OkStatus();
      if (code < ARCHIVE_WARN) return DiskError();
      if (::archive_entry_filetype(entry.get()) == AE_IFDIR) {
        (void)::archive_read_disk_descend(disk_.get());
      }
      RETURN_IF_ERROR(Pack(entry.get()));
    }
  }

  absl::Status Pack(archive_entry* entry) {
    const std::string path = ::archive_entry_pathname(entry);
    const auto type = ::archive_entry_filetype(entry);
    if (type != AE_IFREG && type != AE_IFDIR && type != AE_IFLNK) {
      ++result_->skipped;
      Note(absl::StrCat("not copied: ", EscapeForPeople(path),
                        " is neither file, directory nor symlink"));
      return absl::OkStatus();
    }
    ASSIGN_OR_RETURN(std::string renamed, RenameMember(path, name_, renamed_));
    if (renamed.empty()) renamed.push_back('.');
    ::archive_entry_set_pathname(entry, renamed.c_str());
    ::archive_entry_set_perm(entry, ::archive_entry_perm(entry) & kModeKept);
    ::archive_entry_set_uid(entry, 0);
    ::archive_entry_set_gid(entry, 0);
    ::archive_entry_set_uname(entry, nullptr);
    ::archive_entry_set_gname(entry, nullptr);
    ::archive_entry_sparse_clear(entry);  // written in full: any tar can read it
    UniqueFd file;
    if (type == AE_IFREG) {
      file.Reset(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK));
      struct stat info {};
      if (!file.valid() || ::fstat(file.get(), &info) != 0) {
        return ErrnoError(errno, absl::StrCat("open ", EscapeForPeople(path)));
      }
      if (!S_ISREG(info.st_mode)) return Changed(path);
      ::archive_entry_set_size(entry, info.st_size);
    }
    if (::archive_write_header(writer_.get(), entry) < ARCHIVE_WARN) return WriterError();
    ++result_->entries;
    return file.valid() ? Content(path, file.get(), ::archive_entry_size(entry)) : absl::OkStatus();
  }

  absl::Status Content(const std::string& path, int fd, int64_t size) {
    std::vector<char> buffer(kBufferBytes);
    while (size > 0) {
      const ssize_t count =
          ::read(fd, buffer.data(), std::min<size_t>(buffer.size(), static_cast<size_t>(size)));
      if (count < 0) return ErrnoError(errno, absl::StrCat("read ", EscapeForPeople(path)));
      if (count == 0) return Changed(path);
      if (::archive_write_data(writer_.get(), buffer.data(), static_cast<size_t>(count)) < 0) {
        return WriterError();
      }
      size -= count;
    }
    return absl::OkStatus();
  }

  static absl::Status Changed(const std::string& path) {
    return absl::AbortedError(absl::StrCat(EscapeForPeople(path), " changed while it was copied"));
  }
  absl::Status WriterError() const {
    if (!sink_.status.ok()) return sink_.status;
    return absl::InternalError(absl::StrCat("tar: ", ::archive_error_string(writer_.get())));
  }
  absl::Status DiskError() const {
    const char* why = ::archive_error_string(disk_.get());
    return ErrnoError(::archive_errno(disk_.get()),
                      absl::StrCat("read ", EscapeForPeople(why != nullptr ? why : name_)));
  }

  const std::string& name_;
  const std::string& renamed_;
  SinkState& sink_;
  PackResult* const result_;
  std::unique_ptr<archive, WriteCloser> writer_;
  std::unique_ptr<archive, DiskCloser> disk_;
};

}  // namespace

absl::Status PackTree(const std::string& directory, const std::string& name,
                      const std::string& renamed,
                      const std::function<absl::Status(absl::string_view)>& sink,
                      PackResult* result) {
  UniqueFd before(::open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (::chdir(directory.c_str()) != 0) {
    return ErrnoError(errno, absl::StrCat("enter ", EscapeForPeople(directory)));
  }
  SinkState state{sink, absl::OkStatus()};
  absl::Status status = Packer(name, renamed, state, result).Run();
  if (before.valid() && ::fchdir(before.get()) != 0 && status.ok()) {
    status = ErrnoError(errno, "go back to the working directory");
  }
  return status;
}

}  // namespace glovebox
