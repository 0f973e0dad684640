// The daemon's side of the shared memory of one exec (init/exec_region.h has the layout and the
// protocol).
#ifndef GLOVEBOX_EXEC_OUTPUT_REGION_H_
#define GLOVEBOX_EXEC_OUTPUT_REGION_H_

#include <cstdint>
#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "base/unique_fd.h"
#include "exec/exec_spec.h"
#include "exec/output_record.h"
#include "exec/ring_view.h"
#include "exec/shell_state.h"
#include "linux/memfd.h"

namespace glovebox {

// Owns the memfd and its mapping. Everything that init wrote is taken as hostile. Reading is
// thread-safe; several cursors may read at once.
class OutputRegion {
 public:
  // Makes the region and writes `spec` into it, and `record` (exec_record.h) for a later daemon.
  static absl::StatusOr<OutputRegion> Create(const ExecSpec& spec, absl::string_view record = "");

  // Takes over the region of an exec that an earlier daemon started, as init hands it back.
  // DATA_LOSS with reason REGION_REFUSED when the memfd is not what a daemon makes (memory file
  // system, seals, size against the header, bounds of the layout). The contents stay hostile, the
  // record included.
  static absl::StatusOr<OutputRegion> Adopt(UniqueFd memfd);

  // Size of the region for `spec`, without the spec itself.
  static uint64_t BytesFor(const ExecSpec& spec);

  int fd() const { return fd_.get(); }

  // A copy of the record that Create was given; "" when there is none or its place is nonsense.
  std::string record() const;
  // Head and rings have the sizes that Create gives them for `spec`.
  bool FitsSpec(const ExecSpec& spec) const;
  // The most that records can take, headers included.
  uint64_t bytes_max() const;

  // One place in the output. A fresh one stands before the first record.
  struct Cursor : OutputPosition {
    uint64_t head_offset = 0;
    bool in_rings = false;  // the head was read to its end
    uint64_t ring_positions[kRings] = {};
  };

  using Record = OutputRecord;

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

  // Back pressure: somebody paces, and every record up to `sequence` was delivered to all who do.
  // Returns true when init waits and must be sent kResume.
  bool MoveGate(uint64_t sequence);
  // Nobody paces any more. Returns true when init waits and must be sent kResume.
  bool OpenGate();

  // The latest sequence number that init gave; whatever it says.
  uint64_t last_sequence() const;

  // What init says of the output so far, by stream, within what can be.
  struct Counts {
    uint64_t total[2] = {0, 0};
    uint64_t dropped[2] = {0, 0};
  };
  Counts counts() const;

  // The latest command of a persistent shell; whatever init says.
  ShellState shell_state() const;

  // Set by init when no record follows any more.
  bool ended() const;

 private:
  // Where things are. Ours; never read back from the memory.
  struct Layout {
    uint64_t head_offset = 0, head_size = 0;
    RingPlace rings[kRings] = {};
  };
  // Of a region whose first `used_bytes` are taken.
  static Layout LayoutOf(const ExecSpec& spec, uint64_t used_bytes);

  OutputRegion(UniqueFd fd, SharedMapping mapping, const Layout& layout);

  RegionHeader* header() const;
  Record TakeHead(Cursor* cursor, std::string* data) const;
  Record TakeRings(Cursor* cursor, std::string* data) const;
  RingView ring(uint32_t number) const;

  UniqueFd fd_;
  SharedMapping mapping_;
  Layout layout_;
};

}  // namespace glovebox

#endif  // GLOVEBOX_EXEC_OUTPUT_REGION_H_
