#include "changes/journal_file.h"

#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include <cerrno>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "linux/file_io.h"

namespace glovebox {
namespace {

// Reads points up to the first that is not whole; returns the bytes that were of whole ones.
size_t ReadPoints(absl::string_view bytes, JournalHistory* history) {
  const size_t size = bytes.size();
  size_t whole = 0;
  std::vector<JournalBatch> point;
  while (const auto record = TakeRecord(&bytes)) {
    std::optional<JournalBatch> batch = DecodeBatch(*record);
    if (!batch.has_value() || batch->sequence < history->latest()) break;
    if (!point.empty() && point.back().sequence != batch->sequence) break;
    const bool is_last = batch->is_last;
    point.push_back(*std::move(batch));
    if (!is_last) continue;
    for (JournalBatch& part : point) {
      for (JournalBatch::Item& item : part.items) {
        history->Restore(std::move(item.path), part.sequence, item.as_base);
      }
    }
    history->SetLatest(point.back().sequence);
    point.clear();
    whole = size - bytes.size();
  }
  return whole;
}

}  // namespace

absl::StatusOr<JournalFile> JournalFile::In(int directory_fd, std::string name) {
  ASSIGN_OR_RETURN(UniqueFd directory, OpenAt(directory_fd, ".", O_RDONLY | O_DIRECTORY));
  return JournalFile(std::move(directory), std::move(name));
}

absl::StatusOr<std::optional<JournalFile::Stored>> JournalFile::Load(uint64_t bytes_max) {
  file_.Reset();
  bytes_ = 0;
  const auto content = ReadFileAt(directory_.get(), name_, bytes_max);
  if (absl::IsNotFound(content.status()) || absl::IsOutOfRange(content.status())) {
    return std::nullopt;
  }
  if (!content.ok()) return content.status();
  absl::string_view left = *content;
  const auto head_record = TakeRecord(&left);
  if (!head_record.has_value()) return std::nullopt;
  std::optional<JournalHead> head = DecodeHead(*head_record);
  if (!head.has_value()) return std::nullopt;
  Stored stored{*std::move(head), {}};
  const size_t head_bytes = content->size() - left.size();
  const size_t whole = head_bytes + ReadPoints(left, &stored.history);
  stored.history.SetHorizon(stored.head.horizon);
  ASSIGN_OR_RETURN(file_, OpenAt(directory_.get(), name_, O_WRONLY | O_APPEND | O_NOFOLLOW));
  if (whole < content->size() && ::ftruncate(file_.get(), static_cast<off_t>(whole)) != 0) {
    const int error = errno;
    file_.Reset();
    return ErrnoError(error, absl::StrCat("ftruncate ", name_));
  }
  bytes_ = whole;
  return std::optional<Stored>(std::move(stored));
}

absl::Status JournalFile::Rewrite(const JournalHead& head, const JournalHistory& history) {
  const std::string fresh_name = absl::StrCat(name_, ".new");
  ASSIGN_OR_RETURN(UniqueFd fresh,
                   OpenAt(directory_.get(), fresh_name,
                          O_WRONLY | O_CREAT | O_TRUNC | O_APPEND | O_NOFOLLOW, 0600));
  const auto write = [&]() -> absl::Status {
    std::string bytes = FrameRecord(EncodeHead(head));
    uint64_t total = 0;
    for (const std::string& record : EncodeHistory(history)) {
      bytes += FrameRecord(record);
      if (bytes.size() < kJournalRecordBytesMax) continue;
      RETURN_IF_ERROR(WriteAll(fresh.get(), bytes));
      total += bytes.size();
      bytes.clear();
    }
    RETURN_IF_ERROR(WriteAll(fresh.get(), bytes));
    bytes_ = total + bytes.size();
    if (::renameat(directory_.get(), fresh_name.c_str(), directory_.get(), name_.c_str()) != 0) {
      return ErrnoError(errno, absl::StrCat("renameat ", fresh_name));
    }
    return absl::OkStatus();
  };
  if (absl::Status written = write(); !written.ok()) {
    (void)::unlinkat(directory_.get(), fresh_name.c_str(), 0);  // it is truncated next time
    Remove();
    return written;
  }
  file_ = std::move(fresh);
  return absl::OkStatus();
}

absl::Status JournalFile::AppendLatest(const JournalHistory& history) {
  std::string bytes;
  for (const std::string& record : EncodePoint(history, history.latest())) {
    bytes += FrameRecord(record);
  }
  if (absl::Status written = WriteAll(file_.get(), bytes); !written.ok()) {
    Remove();
    return written;
  }
  bytes_ += bytes.size();
  return absl::OkStatus();
}

void JournalFile::Remove() {
  file_.Reset();
  bytes_ = 0;
  (void)::unlinkat(directory_.get(), name_.c_str(), 0);  // what stays is of another generation
}

}  // namespace glovebox
