#include "init/exec_table.h"

#include <new>

#include "init/exec_input.h"

namespace glovebox {

Exec* ExecTable::Find(uint32_t exec_no) {
  for (uint32_t i = 0; i < end_; ++i) {
    if (at(i).phase != ExecPhase::kFree && at(i).exec_no == exec_no) return &at(i);
  }
  return nullptr;
}

Exec* ExecTable::FindLeader(int pid) {
  for (uint32_t i = 0; i < end_; ++i) {
    if (at(i).phase == ExecPhase::kRunning && at(i).pid == pid) return &at(i);
  }
  return nullptr;
}

Exec* ExecTable::Allocate(uint32_t open_max) {
  if (open_ >= open_max || open_ >= kExecsMax) return nullptr;
  uint32_t slot = 0;
  while (slot < made_ && at(slot).phase != ExecPhase::kFree) ++slot;
  if (slot == made_) ::new (&execs()[made_++]) Exec();
  if (slot >= end_) end_ = slot + 1;
  ++open_;
  at(slot).phase = ExecPhase::kRunning;
  return &at(slot);
}

void ExecTable::Free(Exec* exec) {
  ReleaseInput(exec);
  exec->region.Unmap();
  *exec = Exec();
  --open_;
  while (end_ > 0 && at(end_ - 1).phase == ExecPhase::kFree) --end_;
}

}  // namespace glovebox
