// Execs that have ended and wait for kAckEnd: their end, their output's memfd and nothing else, so
// that those of a long time without a daemon cost the running ones nothing.
#ifndef GLOVEBOX_INIT_ENDED_TABLE_H_
#define GLOVEBOX_INIT_ENDED_TABLE_H_

#include <cstdint>

#include "base/unique_fd.h"
#include "init/exec.h"
#include "init/frames.h"

namespace glovebox {

struct EndedExec {
  uint32_t exec_no = 0;  // 0: the slot is free
  int pid = 0;
  bool started = false;
  uint8_t pending = 0;  // PendingFrame bits
  UniqueFd region;      // not mapped
  uint64_t input_accepted = 0;
  uint64_t input_written = 0;
  ExecEnd end{};
};

// Room for the ended ones; a slot becomes an EndedExec when it is first used.
struct EndedTableMemory {
  alignas(EndedExec) char slots[kExecsHeldMax * sizeof(EndedExec)];
};

class EndedTable {
 public:
  explicit constexpr EndedTable(EndedTableMemory* memory) : memory_(memory) {}

  // Takes what is needed out of `exec`. There is room: running and ended ones together never
  // exceed kExecsHeldMax.
  void Take(Exec* exec);
  EndedExec* Find(uint32_t exec_no);
  void Free(EndedExec* ended);

  // `slot` below the greatest end() there ever was.
  EndedExec& at(uint32_t slot) { return slots()[slot]; }
  uint32_t count() const { return count_; }
  // Slots at and beyond it are free.
  uint32_t end() const { return end_; }

 private:
  EndedExec* slots() const { return reinterpret_cast<EndedExec*>(memory_->slots); }

  EndedTableMemory* memory_;
  uint32_t made_ = 0;  // slots that were used at least once
  uint32_t count_ = 0;
  uint32_t end_ = 0;
};

}  // namespace glovebox

#endif  // GLOVEBOX_INIT_ENDED_TABLE_H_
