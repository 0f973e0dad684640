#include "importer/tar_unpack.h"

#include <archive.h>
#include <archive_entry.h>

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "importer/refusal.h"

namespace glovebox {
namespace {

constexpr int64_t kLastSecond = 4102444800;  // 2100-01-01; ext4 itself would cut later

EntryAttributes AttributesOf(archive_entry* entry) {
  EntryAttributes attributes;
  attributes.mode = ::archive_entry_perm(entry);
  const auto id = [](la_int64_t value) {
    return static_cast<uint32_t>(value < 0 || value > UINT32_MAX ? UINT32_MAX : value);
  };
  attributes.uid = id(::archive_entry_uid(entry));
  attributes.gid = id(::archive_entry_gid(entry));
  const auto seconds = static_cast<int64_t>(::archive_entry_mtime(entry));
  if (seconds >= 0 && seconds < kLastSecond) {
    attributes.modified.tv_sec = seconds;
    attributes.modified.tv_nsec = std::clamp(::archive_entry_mtime_nsec(entry), 0L, 999'999'999L);
  }
  return attributes;
}

class Unpacking {
 public:
  Unpacking(ByteSource* tar, const TarOptions& options, TreeWriter* writer)
      : archive_(tar, FedArchive::Reads::kTar), options_(options), writer_(writer) {}

  absl::Status Run() {
    RETURN_IF_ERROR(archive_.Open());
    for (;;) {
      archive_entry* entry = nullptr;
      const int code = ::archive_read_next_header(archive_.handle(), &entry);
      if (code == ARCHIVE_EOF) return absl::OkStatus();
      if (code < ARCHIVE_WARN) return archive_.Error();
      RETURN_IF_ERROR(Entry(entry));
    }
  }

 private:
  absl::Status Entry(archive_entry* entry) {
    const char* raw = ::archive_entry_pathname(entry);
    if (raw == nullptr) return RefuseEntry("", "an entry's name cannot be read");
    ASSIGN_OR_RETURN(const std::string name, NormalizeName(raw, options_.absolute));
    if (options_.filter != nullptr) {
      ASSIGN_OR_RETURN(const bool taken, options_.filter->Takes(name, entry));
      if (taken) return absl::OkStatus();
    }
    if (const char* target = ::archive_entry_hardlink(entry); target != nullptr) {
      if (name.empty()) return RefuseEntry(raw, "the root is a hard link");
      ASSIGN_OR_RETURN(const std::string to, LinkTarget(name, target));
      return writer_->HardLink(name, to);
    }
    const auto type = ::archive_entry_filetype(entry);
    if (name.empty() && type != AE_IFDIR) return RefuseEntry(raw, "the root is no directory");
    const EntryAttributes attributes = AttributesOf(entry);
    switch (type) {
      case AE_IFREG:
        return File(name, entry, attributes);
      case AE_IFDIR:
        return writer_->Directory(name, attributes);
      case AE_IFLNK: {
        const char* target = ::archive_entry_symlink(entry);
        return writer_->Symlink(name, target != nullptr ? target : "", attributes);
      }
      case AE_IFIFO:
        if (options_.keeps_fifos) return writer_->Fifo(name, attributes);
        return RefuseEntry(name, "is a FIFO");
      case AE_IFCHR:
      case AE_IFBLK:
        return RefuseEntry(name, "is a device");
      default:
        return RefuseEntry(name, "is neither a file, a directory nor a link");
    }
  }

  absl::StatusOr<std::string> LinkTarget(const std::string& name, const char* target) const {
    absl::StatusOr<std::string> to = NormalizeName(target, options_.absolute);
    if (to.ok() && !to->empty()) return to;
    return RefuseEntry(name, "is a hard link to what is not in the archive");
  }

  absl::Status File(const std::string& name, archive_entry* entry,
                    const EntryAttributes& attributes) {
    const la_int64_t size = ::archive_entry_size(entry);
    if (size < 0) return RefuseEntry(name, "has a negative size");
    ASSIGN_OR_RETURN(const UniqueFd fd,
                     writer_->BeginFile(name, static_cast<uint64_t>(size), attributes));
    for (;;) {
      const void* block = nullptr;
      size_t count = 0;
      la_int64_t offset = 0;
      const int code = ::archive_read_data_block(archive_.handle(), &block, &count, &offset);
      if (code == ARCHIVE_EOF) break;
      if (code < ARCHIVE_WARN) return archive_.Error();
      if (offset < 0 || offset > size || count > static_cast<uint64_t>(size - offset)) {
        return RefuseEntry(name, "has more bytes than it says");
      }
      RETURN_IF_ERROR(writer_->Write(fd.get(), static_cast<uint64_t>(offset),
                                     absl::string_view(static_cast<const char*>(block), count)));
    }
    return writer_->EndFile(fd.get(), name, static_cast<uint64_t>(size), attributes);
  }

  FedArchive archive_;
  const TarOptions& options_;
  TreeWriter* const writer_;
};

}  // namespace

absl::Status UnpackTar(ByteSource* tar, const TarOptions& options, TreeWriter* writer) {
  return Unpacking(tar, options, writer).Run();
}

}  // namespace glovebox
