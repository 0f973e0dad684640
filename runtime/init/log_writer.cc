#include "init/log_writer.h"

#include <errno.h>
#include <sys/uio.h>

#include "linux/raw_syscalls.h"

namespace glovebox {

void LogWriter::Begin(UniqueFd file, uint64_t bytes_max) {
  file_ = static_cast<UniqueFd&&>(file);
  bytes_max_ = bytes_max;
}

void LogWriter::Append(const RecordHeader& record, const char* data) {
  if (!file_.valid()) return;
  uint64_t size = sizeof(record) + record.size;
  if (size > bytes_max_ - bytes_) return Stop(EFBIG);
  iovec parts[2] = {{const_cast<RecordHeader*>(&record), sizeof(record)},
                    {const_cast<char*>(data), record.size}};
  long written;
  do {
    written = raw::Call(__NR_pwritev, file_.get(), parts, 2, static_cast<unsigned long>(bytes_), 0);
  } while (written == -EINTR);
  if (written < 0) return Stop(static_cast<int>(-written));
  if (static_cast<uint64_t>(written) != size) return Stop(ENOSPC);
  bytes_ += size;
  last_sequence_ = record.sequence;
}

void LogWriter::Stop(int error) {
  error_ = error;
  // The rest of a record that did not fit; a reader passes over it as well.
  (void)raw::Call(__NR_ftruncate, file_.get(), bytes_);
  file_.Reset();
}

void LogWriter::Finish(ExecEnd* end) {
  file_.Reset();
  end->log_bytes = bytes_;
  end->log_last_sequence = last_sequence_;
  end->log_error = error_;
}

}  // namespace glovebox
