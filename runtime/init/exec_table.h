// The execs of this sandbox, in a table of fixed size.
#ifndef GLOVEBOX_INIT_EXEC_TABLE_H_
#define GLOVEBOX_INIT_EXEC_TABLE_H_

#include <cstdint>

#include "init/exec.h"
#include "init/exec_limits.h"

namespace glovebox {

// Room for the execs; one becomes an Exec when its slot is first used.
struct ExecTableMemory {
  alignas(Exec) char slots[kExecsMax * sizeof(Exec)];
};

class ExecTable {
 public:
  explicit constexpr ExecTable(ExecTableMemory* memory) : memory_(memory) {}

  Exec* Find(uint32_t exec_no);
  Exec* FindLeader(int pid);
  // `slot` below the greatest end() there ever was.
  Exec& at(uint32_t slot) { return execs()[slot]; }
  uint32_t SlotOf(const Exec& exec) const { return static_cast<uint32_t>(&exec - execs()); }

  // The lowest free slot, or null when `open_max` are in use.
  Exec* Allocate(uint32_t open_max);
  void Free(Exec* exec);

  // Active: in any phase between kFree and kEnded.
  // For an exec that is about to start: whatever else is active is its company, and it theirs.
  void NoteCompany(Exec* exec);
  // Processes of an exec live on after its end, and are company to whatever runs from now on.
  void NoteKeptSurvivors() { survivors_kept_ = true; }
  LimitWatch& limits() { return limits_; }

  uint32_t open() const { return open_; }
  // Slots at and beyond it are free.
  uint32_t end() const { return end_; }

 private:
  Exec* execs() const { return reinterpret_cast<Exec*>(memory_->slots); }

  ExecTableMemory* memory_;
  uint32_t made_ = 0;  // slots that were used at least once
  uint32_t open_ = 0;
  uint32_t end_ = 0;
  bool survivors_kept_ = false;
  LimitWatch limits_;
};

}  // namespace glovebox

#endif  // GLOVEBOX_INIT_EXEC_TABLE_H_
