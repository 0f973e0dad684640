// The full log of one exec: every record in the order of its sequence, appended to a file on the
// sandbox's own disk that the daemon made and passed with kStart. It goes on without a daemon and
// ends at its limit or when the disk is full; the command never notices.
//
// Records lie there as in the region but without padding, so the place of each follows from its
// header: bytes_before + (sequence - 1) * sizeof(RecordHeader).
#ifndef GLOVEBOX_INIT_LOG_WRITER_H_
#define GLOVEBOX_INIT_LOG_WRITER_H_

#include <cstdint>

#include "base/unique_fd.h"
#include "init/exec_region.h"

namespace glovebox {

class LogWriter {
 public:
  // Takes over an empty file, open for writing. At most `bytes_max` bytes of records go to it.
  void Begin(UniqueFd file, uint64_t bytes_max);

  // Appends a record whole, or ends the log before it. Writes to the page cache; the kernel may
  // make a writer of much dirty memory wait for the host's disk.
  void Append(const RecordHeader& record, const char* data);

  // Nothing is appended any more; says in `end` what there is.
  void Finish(ExecEnd* end);

  // Records up to this sequence are in the file.
  uint64_t last_sequence() const { return last_sequence_; }

 private:
  void Stop(int error);

  UniqueFd file_;
  uint64_t bytes_max_ = 0;
  uint64_t bytes_ = 0;
  uint64_t last_sequence_ = 0;
  int error_ = 0;
};

}  // namespace glovebox

#endif  // GLOVEBOX_INIT_LOG_WRITER_H_
