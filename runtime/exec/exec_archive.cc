#include "exec/exec_archive.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "exec/archive_format.h"
#include "linux/file_io.h"

namespace glovebox {
namespace {

// Read and written at once; holds several records of usual size.
constexpr size_t kChunkBytes = 64 * 1024;

absl::Status NotWhole(uint32_t exec_no) {
  return DetailedError(
      absl::StatusCode::kDataLoss,
      absl::StrCat("the archive of exec number ", exec_no, " is not whole; its output is lost"),
      {"RECORD_INVALID", {}});
}

// As many bytes as there are, at most `size`.
absl::StatusOr<std::string> ReadAt(int fd, uint64_t offset, size_t size) {
  std::string bytes(size, '\0');
  size_t done = 0;
  while (done < size) {
    const ssize_t count =
        ::pread(fd, bytes.data() + done, size - done, static_cast<off_t>(offset + done));
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return ErrnoError(errno, "pread of an archive");
    if (count == 0) break;
    done += static_cast<size_t>(count);
  }
  bytes.resize(done);
  return bytes;
}

// The records of a region, one after the other, appended to a file.
class ArchiveWriter {
 public:
  ArchiveWriter(UniqueFd fd, uint32_t exec_no) : fd_(std::move(fd)) {
    AppendBytes(ArchiveHeader{kArchiveMagic, kArchiveVersion, exec_no, 0}, &pending_);
  }

  absl::Status Add(const RecordHeader& record, absl::string_view data) {
    const size_t start = pending_.size();
    AppendBytes(record, &pending_);
    pending_.append(data.data(), data.size());
    pending_.resize(start + RecordSpan(record), '\0');
    AppendBytes(CheckOf(absl::string_view(pending_).substr(start)), &pending_);
    ++records_;
    return pending_.size() >= kChunkBytes ? Flush() : absl::OkStatus();
  }

  absl::Status Finish(bool region_corrupt) {
    region_corrupt_ = region_corrupt;
    ArchiveTrailer trailer{kTrailerMagic, region_corrupt ? 1u : 0u, records_,
                           written_ + pending_.size() + sizeof(ArchiveTrailer), 0};
    trailer.check = CheckOf(BytesOf(trailer));
    AppendBytes(trailer, &pending_);
    return Flush();
  }

  uint64_t written() const { return written_; }
  bool region_corrupt() const { return region_corrupt_; }
  UniqueFd TakeFd() { return std::move(fd_); }

 private:
  absl::Status Flush() {
    RETURN_IF_ERROR(WriteAll(fd_.get(), pending_));
    written_ += pending_.size();
    pending_.clear();
    return absl::OkStatus();
  }

  UniqueFd fd_;
  std::string pending_;
  uint64_t written_ = 0;
  uint64_t records_ = 0;
  bool region_corrupt_ = false;
};

// One pass over what a region keeps. What init writes meanwhile, although it said that it ended, is
// bounded: a region has room for so many bytes and no more.
class RegionPass {
 public:
  explicit RegionPass(const OutputRegion& region) : region_(region) {}

  // False at the end; `corrupt` tells of which kind.
  bool Next(RecordHeader* record, std::string* data) {
    for (;;) {
      data->clear();
      const OutputRecord next = region_.Next(&cursor_, data);
      if (next.kind == OutputRecord::Kind::kGap) continue;
      if (next.kind == OutputRecord::Kind::kCorrupt) corrupt_ = true;
      if (next.kind != OutputRecord::Kind::kData) return false;
      *record = {static_cast<uint32_t>(data->size()), next.stream, next.sequence, next.monotonic_ns,
                 cursor_.bytes_seen - data->size()};
      spans_ += RecordSpan(*record);
      if (spans_ <= region_.bytes_max()) return true;
      corrupt_ = true;
      return false;
    }
  }
  uint64_t spans() const { return spans_; }
  bool corrupt() const { return corrupt_; }

 private:
  const OutputRegion& region_;
  OutputRegion::Cursor cursor_;
  uint64_t spans_ = 0;
  bool corrupt_ = false;
};

// Which records are kept when all together are too many: those of the first and of the last half of
// the limit.
class Selection {
 public:
  Selection(uint64_t spans_all, uint64_t bytes_max) : rest_(spans_all), half_(bytes_max / 2) {
    all_ = spans_all <= bytes_max;
  }
  bool Takes(const RecordHeader& record) {
    const uint64_t span = RecordSpan(record);
    const bool tail = rest_ <= half_;
    rest_ -= std::min(span, rest_);
    if (all_ || tail) return true;
    first_ = first_ && taken_ + span <= half_;
    if (first_) taken_ += span;
    return first_;
  }

 private:
  uint64_t rest_;
  const uint64_t half_;
  uint64_t taken_ = 0;
  bool all_ = false;
  bool first_ = true;
};

uint64_t SpansOf(const OutputRegion& region) {
  RegionPass pass(region);
  RecordHeader record;
  std::string data;
  while (pass.Next(&record, &data)) {
  }
  return pass.spans();
}

absl::Status CopyRecords(const OutputRegion& region, uint64_t bytes_max, ArchiveWriter* writer) {
  const bool might_exceed = region.bytes_max() > bytes_max;
  Selection selection(might_exceed ? SpansOf(region) : 0, bytes_max);
  RegionPass pass(region);
  RecordHeader record;
  std::string data;
  while (pass.Next(&record, &data)) {
    if (selection.Takes(record)) RETURN_IF_ERROR(writer->Add(record, data));
  }
  return writer->Finish(pass.corrupt());
}

}  // namespace

ExecArchive::ExecArchive(UniqueFd fd, uint64_t file_bytes, bool region_corrupt)
    : fd_(std::move(fd)), file_bytes_(file_bytes), region_corrupt_(region_corrupt) {}

absl::StatusOr<std::shared_ptr<const ExecArchive>> ExecArchive::Write(int directory_fd,
                                                                      uint32_t exec_no,
                                                                      const OutputRegion& region,
                                                                      uint64_t bytes_max) {
  const std::string half_written = absl::StrCat(kHalfWrittenPrefix, exec_no);
  ASSIGN_OR_RETURN(UniqueFd fd,
                   OpenAt(directory_fd, half_written, O_RDWR | O_CREAT | O_TRUNC, 0600));
  absl::Cleanup remove = [&] { (void)::unlinkat(directory_fd, half_written.c_str(), 0); };
  ArchiveWriter writer(std::move(fd), exec_no);
  RETURN_IF_ERROR(CopyRecords(region, bytes_max, &writer));
  const std::string name = absl::StrCat(exec_no);
  if (::renameat(directory_fd, half_written.c_str(), directory_fd, name.c_str()) != 0) {
    return ErrnoError(errno, absl::StrCat("renameat ", half_written, " to ", name));
  }
  std::move(remove).Cancel();
  return std::shared_ptr<const ExecArchive>(
      new ExecArchive(writer.TakeFd(), writer.written(), writer.region_corrupt()));
}

absl::StatusOr<std::shared_ptr<const ExecArchive>> ExecArchive::Open(int directory_fd,
                                                                     uint32_t exec_no) {
  ASSIGN_OR_RETURN(UniqueFd fd, OpenAt(directory_fd, absl::StrCat(exec_no), O_RDONLY));
  struct stat status {};
  if (::fstat(fd.get(), &status) != 0) return ErrnoError(errno, "fstat of an archive");
  const auto size = static_cast<uint64_t>(status.st_size);
  if (size < sizeof(ArchiveHeader) + sizeof(ArchiveTrailer)) return NotWhole(exec_no);
  ASSIGN_OR_RETURN(const std::string head, ReadAt(fd.get(), 0, sizeof(ArchiveHeader)));
  ASSIGN_OR_RETURN(const std::string tail,
                   ReadAt(fd.get(), size - sizeof(ArchiveTrailer), sizeof(ArchiveTrailer)));
  if (head.size() != sizeof(ArchiveHeader) || tail.size() != sizeof(ArchiveTrailer)) {
    return NotWhole(exec_no);
  }
  const auto header = ValueOf<ArchiveHeader>(head);
  auto trailer = ValueOf<ArchiveTrailer>(tail);
  const uint64_t check = std::exchange(trailer.check, 0);
  if (header.magic != kArchiveMagic || header.version != kArchiveVersion ||
      header.exec_no != exec_no || trailer.magic != kTrailerMagic || trailer.file_bytes != size ||
      check != CheckOf(BytesOf(trailer))) {
    return NotWhole(exec_no);
  }
  return std::shared_ptr<const ExecArchive>(
      new ExecArchive(std::move(fd), size, trailer.region_corrupt != 0));
}

// `size` bytes of the file at `offset`, through the cursor's window; fewer at the end of the
// records or when the disk fails.
absl::string_view ExecArchive::Look(Cursor* cursor, uint64_t offset, size_t size) const {
  const uint64_t end = file_bytes_ - sizeof(ArchiveTrailer);
  if (offset >= end) return "";
  size = std::min<uint64_t>(size, end - offset);
  const bool inside = offset >= cursor->window_offset &&
                      offset + size <= cursor->window_offset + cursor->window.size();
  if (!inside) {
    absl::StatusOr<std::string> bytes =
        ReadAt(fd_.get(), offset, std::min<uint64_t>(std::max(size, kChunkBytes), end - offset));
    cursor->window = bytes.ok() ? *std::move(bytes) : "";
    cursor->window_offset = offset;
  }
  return absl::string_view(cursor->window).substr(offset - cursor->window_offset, size);
}

OutputRecord ExecArchive::Next(Cursor* cursor, std::string* data) const {
  if (cursor->offset == 0) cursor->offset = sizeof(ArchiveHeader);
  for (;;) {
    const absl::string_view head = Look(cursor, cursor->offset, sizeof(RecordHeader));
    if (head.size() < sizeof(RecordHeader)) break;
    const auto record = ValueOf<RecordHeader>(head);
    if (record.size > kRecordDataMax) break;
    const uint64_t span = RecordSpan(record);
    const absl::string_view whole = Look(cursor, cursor->offset, span + sizeof(uint64_t));
    if (whole.size() < span + sizeof(uint64_t)) break;
    if (ValueOf<uint64_t>(whole.substr(span)) != CheckOf(whole.substr(0, span))) break;
    if (record.sequence < cursor->next_sequence) {
      cursor->bytes_seen = std::max(cursor->bytes_seen, record.bytes_before + record.size);
    } else {
      const OutputRecord accepted = AcceptRecord(record, cursor);
      if (accepted.kind != OutputRecord::Kind::kData) return accepted;
      const absl::string_view bytes = whole.substr(sizeof(RecordHeader), record.size);
      data->append(bytes.data(), bytes.size());
      cursor->offset += span + sizeof(uint64_t);
      return accepted;
    }
    cursor->offset += span + sizeof(uint64_t);
  }
  // A record that is not whole (a crash of the host) ends the output like the end of the file: the
  // reader counts what is missing.
  const bool at_end = cursor->offset == file_bytes_ - sizeof(ArchiveTrailer);
  return {.kind =
              at_end && region_corrupt_ ? OutputRecord::Kind::kCorrupt : OutputRecord::Kind::kNone};
}

}  // namespace glovebox
