// The reading side of one ring of an exec's region (init/exec_region.h has the protocol).
#ifndef GLOVEBOX_EXEC_RING_VIEW_H_
#define GLOVEBOX_EXEC_RING_VIEW_H_

#include <cstdint>
#include <string>

#include "init/exec_region.h"

namespace glovebox {

// A value over memory that init writes to meanwhile; every word of it is taken as hostile.
// `size` is ours and never read back from the memory. Thread-safe.
class RingView {
 public:
  RingView(const char* memory, uint64_t size, const RingWords* words)
      : memory_(memory), size_(size), words_(words) {}

  enum class Look { kNone, kRecord, kCorrupt };

  // The header of the first kept record at or after `*position`, which is moved to it. kNone: there
  // is none yet.
  Look Peek(uint64_t* position, RecordHeader* record) const;

  // Appends the data of the record that Peek gave. False when the writer overtook it meanwhile:
  // nothing was appended then, and Peek gives a later one.
  bool Copy(uint64_t position, const RecordHeader& record, std::string* data) const;

  bool HasBeyond(uint64_t position) const {
    return size_ > 0 && words_->head.load(std::memory_order_acquire) > position;
  }

 private:
  const char* memory_;
  uint64_t size_;
  const RingWords* words_;
};

}  // namespace glovebox

#endif  // GLOVEBOX_EXEC_RING_VIEW_H_
