// One piece of an exec's output as a reader gets it, be it from the shared memory or from an
// archive file; and the rules by which records follow each other.
#ifndef GLOVEBOX_EXEC_OUTPUT_RECORD_H_
#define GLOVEBOX_EXEC_OUTPUT_RECORD_H_

#include <cstdint>

#include "init/exec_region.h"

namespace glovebox {

struct OutputRecord {
  enum class Kind { kNone, kData, kGap, kCorrupt };
  Kind kind = Kind::kNone;
  OutputStream stream = OutputStream::kStdout;  // kData
  uint64_t sequence = 0;                        // kData; kGap: first missing one
  uint64_t sequence_to = 0;                     // kGap: last missing one
  int64_t monotonic_ns = 0;                     // kGap: of the record after it
  uint64_t gap_bytes = 0;
};

// How far a reader has come, whatever it reads from.
struct OutputPosition {
  uint64_t next_sequence = 1;
  uint64_t bytes_seen = 0;  // output bytes before next_sequence
};

// Bytes of a record with its header and the padding behind it.
uint64_t RecordSpan(const RecordHeader& record);

// Steps over `record`: kData, or kGap when records before it are missing (the position then stands
// at `record`), or kCorrupt when it cannot come next.
OutputRecord AcceptRecord(const RecordHeader& record, OutputPosition* position);

}  // namespace glovebox

#endif  // GLOVEBOX_EXEC_OUTPUT_RECORD_H_
