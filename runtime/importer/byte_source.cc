#include "importer/byte_source.h"

#include <archive.h>
#include <archive_entry.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "absl/strings/str_cat.h"
#include "base/status.h"

namespace glovebox {
namespace {

constexpr size_t kPieceBytes = 128 * 1024;

}  // namespace

FileSource::FileSource(int fd, uint64_t offset, uint64_t size, ProgressReport* progress)
    : fd_(fd), offset_(offset), left_(size), progress_(progress), buffer_(kPieceBytes, '\0') {}

absl::StatusOr<absl::string_view> FileSource::Next() {
  const size_t wanted = std::min<uint64_t>(left_, buffer_.size());
  if (wanted == 0) return absl::string_view();
  for (;;) {
    const ssize_t count = ::pread(fd_, buffer_.data(), wanted, static_cast<off_t>(offset_));
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return ErrnoError(errno, "read the source");
    const auto size = static_cast<size_t>(count);
    offset_ += size;
    left_ -= size;
    if (size == 0) left_ = 0;  // it ends before
    if (progress_ != nullptr) progress_->AddBytes(size);
    return absl::string_view(buffer_.data(), size);
  }
}

uint64_t FileSource::Skip(uint64_t bytes) {
  const uint64_t skipped = std::min(bytes, left_);
  offset_ += skipped;
  left_ -= skipped;
  return skipped;
}

absl::StatusOr<absl::string_view> DigestedSource::Next() {
  ASSIGN_OR_RETURN(const absl::string_view piece, from_->Next());
  digest_.Update(piece);
  return piece;
}

absl::StatusOr<std::string> DigestedSource::Finish() {
  for (;;) {
    ASSIGN_OR_RETURN(const absl::string_view piece, Next());
    if (piece.empty()) return digest_.FinishHex();
  }
}

void ArchiveCloser::operator()(archive* handle) const { (void)::archive_read_free(handle); }

FedArchive::FedArchive(ByteSource* from, Reads reads)
    : from_(from), reads_(reads), reader_(::archive_read_new()) {}

long FedArchive::Read(archive* handle, void* data, const void** buffer) {
  auto* self = static_cast<FedArchive*>(data);
  const absl::StatusOr<absl::string_view> piece = self->from_->Next();
  if (!piece.ok()) {
    self->status_ = piece.status();
    ::archive_set_error(handle, EIO, "the source failed");
    return -1;
  }
  *buffer = piece->data();
  return static_cast<long>(piece->size());
}

int64_t FedArchive::Skip(archive* /*handle*/, void* data, int64_t bytes) {
  auto* self = static_cast<FedArchive*>(data);
  return bytes > 0 ? static_cast<int64_t>(self->from_->Skip(static_cast<uint64_t>(bytes))) : 0;
}

absl::Status FedArchive::Open() {
  archive* const reader = reader_.get();
  if (reads_ == Reads::kTar) {
    (void)::archive_read_support_format_tar(reader);
  } else {
    (void)::archive_read_support_format_raw(reader);
    (void)::archive_read_support_format_empty(reader);
    (void)::archive_read_support_filter_gzip(reader);
    (void)::archive_read_support_filter_xz(reader);
    (void)::archive_read_support_filter_zstd(reader);
  }
  const int code = ::archive_read_open2(reader, this, nullptr, Read, Skip, nullptr);
  return code == ARCHIVE_OK ? absl::OkStatus() : Error();
}

absl::Status FedArchive::Error() const {
  if (!status_.ok()) return status_;
  const char* words = ::archive_error_string(reader_.get());
  return absl::InvalidArgumentError(
      absl::StrCat(reads_ == Reads::kTar ? "tar: " : "", words != nullptr ? words : "is damaged"));
}

absl::StatusOr<absl::string_view> UnpackedSource::Next() {
  if (ended_) return absl::string_view();
  if (!begun_) {
    begun_ = true;
    RETURN_IF_ERROR(packed_.Open());
    archive_entry* entry = nullptr;
    const int code = ::archive_read_next_header(packed_.handle(), &entry);
    if (code == ARCHIVE_EOF) {
      ended_ = true;
      return absl::string_view();
    }
    if (code != ARCHIVE_OK) return packed_.Error();
  }
  const void* block = nullptr;
  size_t size = 0;
  la_int64_t offset = 0;
  do {
    const int code = ::archive_read_data_block(packed_.handle(), &block, &size, &offset);
    if (code == ARCHIVE_EOF) {
      ended_ = true;
      return absl::string_view();
    }
    if (code != ARCHIVE_OK) return packed_.Error();
  } while (size == 0);
  if (size > bytes_left_) return absl::ResourceExhaustedError("it unpacks to more than allowed");
  bytes_left_ -= size;
  return absl::string_view(static_cast<const char*>(block), size);
}

}  // namespace glovebox
