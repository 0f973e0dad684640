// The retained output of one ended exec in a file: the records that its region had, in their order,
// read back with the same sequences, gaps, timestamps.
//
//   [ArchiveHeader][record: RecordHeader, data, padding to 8; check]...[ArchiveTrailer]
//
// It is written under another name, then renamed: after a kill of the daemon it is whole or not
// there. After a crash of the host the trailer (its place follows from the file's size) and the
// check of each record tell what is whole; it is not flushed to disk for its own sake.
#ifndef GLOVEBOX_EXEC_EXEC_ARCHIVE_H_
#define GLOVEBOX_EXEC_EXEC_ARCHIVE_H_

#include <cstdint>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "base/unique_fd.h"
#include "exec/output_record.h"
#include "exec/output_region.h"

namespace glovebox {

// An open archive. Thread-safe; several cursors may read at once. It stays readable when its name
// is removed.
class ExecArchive {
 public:
  // Copies what `region` keeps into the file `exec_no` below `directory_fd`; an older one of that
  // name is replaced. At most about `bytes_max` bytes: else records in the middle are left out.
  // The region must have ended. RESOURCE_EXHAUSTED: no room; nothing is left then.
  static absl::StatusOr<std::shared_ptr<const ExecArchive>> Write(int directory_fd,
                                                                  uint32_t exec_no,
                                                                  const OutputRegion& region,
                                                                  uint64_t bytes_max);
  // NOT_FOUND; DATA_LOSS with reason RECORD_INVALID when the file is not whole.
  static absl::StatusOr<std::shared_ptr<const ExecArchive>> Open(int directory_fd,
                                                                 uint32_t exec_no);

  struct Cursor : OutputPosition {
    uint64_t offset = 0;  // of the next record in the file; 0: before the first
    std::string window;   // what was read ahead, from window_offset on
    uint64_t window_offset = 0;
  };

  // Like OutputRegion::Next. A cursor that has only its OutputPosition set goes on from there.
  OutputRecord Next(Cursor* cursor, std::string* data) const;

  uint64_t file_bytes() const { return file_bytes_; }

 private:
  ExecArchive(UniqueFd fd, uint64_t file_bytes, bool region_corrupt);
  absl::string_view Look(Cursor* cursor, uint64_t offset, size_t size) const;

  UniqueFd fd_;
  uint64_t file_bytes_;
  bool region_corrupt_;  // the region broke its rules after the last record
};

}  // namespace glovebox

#endif  // GLOVEBOX_EXEC_EXEC_ARCHIVE_H_
