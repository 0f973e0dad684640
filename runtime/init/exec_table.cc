#include "init/exec_table.h"

#include <errno.h>

#include <new>

#include "init/exec_input.h"
#include "linux/raw_syscalls.h"

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

void ExecTable::NoteCompany(Exec* exec) {
  bool alone = true;
  for (uint32_t i = 0; i < end_; ++i) {
    Exec& other = at(i);
    bool active = other.phase != ExecPhase::kFree && other.phase != ExecPhase::kEnded;
    if (&other == exec || !active) continue;
    alone = false;
    other.shared = exec->shared = true;
  }
  // Every process here but init: none is left of those that were kept.
  if (alone && survivors_kept_ && raw::Call(__NR_kill, -1, 0) == -ESRCH) survivors_kept_ = false;
  if (survivors_kept_) exec->shared = true;
}

void ExecTable::Free(Exec* exec) {
  ReleaseInput(exec);
  exec->region.Unmap();
  *exec = Exec();
  --open_;
  while (end_ > 0 && at(end_ - 1).phase == ExecPhase::kFree) --end_;
}

}  // namespace glovebox
