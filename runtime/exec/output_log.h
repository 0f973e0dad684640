// The full log of one exec as the daemon sees it: a file on the sandbox's own disk, outside of what
// the sandbox shows, named after the exec's number, that init appends records to
// (init/log_writer.h). Its bytes come from inside: they are read by pread(2) (a file that shrinks
// is short, never a signal) and taken as hostile.
#ifndef GLOVEBOX_EXEC_OUTPUT_LOG_H_
#define GLOVEBOX_EXEC_OUTPUT_LOG_H_

#include <cstdint>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/unique_fd.h"
#include "exec/output_record.h"

namespace glovebox {

// Thread-safe; several cursors may read at once. It stays readable when its name is removed.
class OutputLog {
 public:
  // Makes an empty log of exec `exec_no` below the root directory of the sandbox's disk, for init
  // to write to. RESOURCE_EXHAUSTED when the disk is full.
  static absl::StatusOr<UniqueFd> Create(int disk_fd, uint32_t exec_no);
  // NOT_FOUND when there is none.
  static absl::StatusOr<std::shared_ptr<const OutputLog>> Open(int disk_fd, uint32_t exec_no);
  // A log that is not there is fine.
  static absl::Status Remove(int disk_fd, uint32_t exec_no);

  // What one reader read ahead.
  struct Window {
    uint64_t offset = 0;
    std::string bytes;
  };

  // The record at `position`, whose data is appended to `data`; the position is then behind it.
  // kNone when the log does not have it (it ended before), or the position's bytes_seen is not what
  // precedes that record.
  OutputRecord Take(Window* window, OutputPosition* position, std::string* data) const;

  // Learns bytes_seen of a position of which only next_sequence is known: reads the headers before
  // it, which takes as long as reading the log. False when the log does not have the record.
  bool Locate(Window* window, OutputPosition* position) const;

 private:
  explicit OutputLog(UniqueFd fd) : fd_(std::move(fd)) {}
  const char* Read(Window* window, uint64_t offset, uint64_t size) const;
  bool ReadHeader(Window* window, const OutputPosition& position, RecordHeader* record) const;
  UniqueFd fd_;
};

}  // namespace glovebox

#endif  // GLOVEBOX_EXEC_OUTPUT_LOG_H_
