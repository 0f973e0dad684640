#include "exec/output_log.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "linux/file_io.h"
#include "linux/open_beneath.h"

namespace glovebox {
namespace {

constexpr char kDirectory[] = "output";
constexpr uint64_t kWindowBytes = 128 * 1024;  // a greatest record fits
constexpr uint64_t kCountMax = uint64_t{1} << 56;

uint64_t OffsetOf(const OutputPosition& position) {
  return position.bytes_seen + (position.next_sequence - 1) * sizeof(RecordHeader);
}

std::string NameOf(uint32_t exec_no) { return absl::StrCat(kDirectory, "/", exec_no); }

}  // namespace

absl::StatusOr<UniqueFd> OutputLog::Create(int disk_fd, uint32_t exec_no) {
  RETURN_IF_ERROR(MakeDirectoryAt(disk_fd, kDirectory, 0700));
  return OpenAt(disk_fd, NameOf(exec_no), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0600);
}

absl::StatusOr<std::shared_ptr<const OutputLog>> OutputLog::Open(int disk_fd, uint32_t exec_no) {
  ASSIGN_OR_RETURN(OpenedFile file, OpenRegularBeneath(disk_fd, NameOf(exec_no)));
  return std::shared_ptr<const OutputLog>(new OutputLog(std::move(file.fd)));
}

absl::Status OutputLog::Remove(int disk_fd, uint32_t exec_no) {
  if (::unlinkat(disk_fd, NameOf(exec_no).c_str(), 0) == 0 || errno == ENOENT) {
    return absl::OkStatus();
  }
  return ErrnoError(errno, "unlinkat of an output log");
}

// `size` bytes at `offset`; null when the file has not so many.
const char* OutputLog::Read(Window* window, uint64_t offset, uint64_t size) const {
  const auto has = [&] {
    return offset >= window->offset && offset - window->offset <= window->bytes.size() &&
           size <= window->bytes.size() - (offset - window->offset);
  };
  if (!has()) {
    window->offset = offset;
    window->bytes.resize(kWindowBytes);
    const absl::StatusOr<size_t> read =
        ReadAt(fd_.get(), offset, window->bytes.data(), window->bytes.size());
    window->bytes.resize(read.ok() ? *read : 0);
  }
  return has() ? window->bytes.data() + (offset - window->offset) : nullptr;
}

// Whatever is not the record that must be at this place is the end of the log.
bool OutputLog::ReadHeader(Window* window, const OutputPosition& position,
                           RecordHeader* record) const {
  if (position.next_sequence > kCountMax || position.bytes_seen > kCountMax) return false;
  const uint64_t offset = OffsetOf(position);
  const char* bytes = Read(window, offset, sizeof *record);
  if (bytes == nullptr) return false;
  std::memcpy(record, bytes, sizeof *record);
  return record->size <= kRecordDataMax && record->stream != OutputStream::kPad &&
         record->stream <= OutputStream::kCommandEnded &&
         record->sequence == position.next_sequence && record->bytes_before == position.bytes_seen;
}

OutputRecord OutputLog::Take(Window* window, OutputPosition* position, std::string* data) const {
  RecordHeader record;
  if (!ReadHeader(window, *position, &record)) return {};
  const char* bytes = Read(window, OffsetOf(*position) + sizeof record, record.size);
  if (bytes == nullptr) return {};
  data->append(bytes, record.size);
  return AcceptRecord(record, position);
}

bool OutputLog::Locate(Window* window, OutputPosition* position) const {
  OutputPosition at;
  RecordHeader record;
  while (ReadHeader(window, at, &record)) {
    if (record.sequence == position->next_sequence) {
      *position = at;
      return true;
    }
    (void)AcceptRecord(record, &at);  // it is the next one
  }
  return false;
}

}  // namespace glovebox
