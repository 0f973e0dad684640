// The daemon's side of the shared memory of one exec (init/exec_region.h has the layout and the
// protocol).
#ifndef GLOVEBOX_EXEC_OUTPUT_REGION_H_
#define GLOVEBOX_EXEC_OUTPUT_REGION_H_

#include <cstdint>
#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "base/unique_fd.h"
#include "exec/exec_spec.h"
#include "linux/memfd.h"

namespace glovebox {

// Owns the memfd and its mapping. Everything that init wrote is taken as hostile. Reading is
// thread-safe; several cursors may read at once.
class OutputRegion {
 public:
  // Makes the region and writes `spec` into it.
  static absl::StatusOr<OutputRegion> Create(const ExecSpec& spec);

  int fd() const { return fd_.get(); }

  // One place in the output. A fresh one stands before the first record.
  struct Cursor {
    uint64_t head_offset = 0;
    std::optional<uint64_t> ring_position;  // set once the head was read to its end
    uint64_t next_sequence = 1;
    uint64_t bytes_seen = 0;  // output bytes before next_sequence
  };

  struct Record {
    enum class Kind { kNone, kData, kGap, kCorrupt };
    Kind kind = Kind::kNone;
    OutputStream stream = OutputStream::kStdout;  // kData
    uint64_t sequence = 0;                        // kData; kGap: first missing one
    uint64_t sequence_to = 0;                     // kGap: last missing one
    int64_t monotonic_ns = 0;
    uint64_t gap_bytes = 0;
  };

  // The next record at `cursor`, its data appended to `data`; kNone when there is nothing new. kGap
  // when records before the next one are no longer kept (the cursor then stands at that one).
  // kCorrupt: the region breaks its own rules.
  Record Next(Cursor* cursor, std::string* data) const;

  // Moves a fresh cursor so that the next record is the first kept one with a sequence number of at
  // least `sequence`.
  void Seek(Cursor* cursor, uint64_t sequence) const;

  // Arms the wake-up: init sends kOutput at the next record. Returns true when a record after
  // `cursor` is already there.
  bool ArmWakeUp(const Cursor& cursor);

  // Back pressure: init keeps everything from `position` on. Returns true when init waits and must
  // be sent kResume.
  bool MoveGate(uint64_t position);
  // Ends back pressure. Returns true when init waits and must be sent kResume.
  bool OpenGate();

  // The latest sequence number that init gave; whatever it says.
  uint64_t last_sequence() const;

  // Set by init when no record follows any more.
  bool ended() const;

 private:
  OutputRegion(UniqueFd fd, SharedMapping mapping, uint64_t head_offset, uint64_t head_size,
               uint64_t ring_offset, uint64_t ring_size);

  RegionHeader* header() const;
  Record TakeHead(Cursor* cursor, std::string* data) const;
  Record TakeRing(Cursor* cursor, std::string* data) const;
  Record Accept(const RecordHeader& record, Cursor* cursor) const;

  UniqueFd fd_;
  SharedMapping mapping_;
  uint64_t head_offset_, head_size_, ring_offset_,
      ring_size_;  // ours; never read back from the memory
};

}  // namespace glovebox

#endif  // GLOVEBOX_EXEC_OUTPUT_REGION_H_
