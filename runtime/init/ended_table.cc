#include "init/ended_table.h"

#include <new>

namespace glovebox {

void EndedTable::Take(Exec* exec) {
  uint32_t slot = 0;
  while (slot < made_ && at(slot).exec_no != 0) ++slot;
  if (slot == made_) ::new (&slots()[made_++]) EndedExec();
  if (slot >= end_) end_ = slot + 1;
  ++count_;
  EndedExec& ended = at(slot);
  ended.exec_no = exec->exec_no;
  ended.pid = exec->pid;
  ended.started = exec->started;
  ended.pending = exec->pending;
  ended.region = static_cast<UniqueFd&&>(exec->region_fd);
  ended.input_accepted = exec->input.accepted;
  ended.input_written = exec->input.written;
  ended.end = exec->end;
}

EndedExec* EndedTable::Find(uint32_t exec_no) {
  for (uint32_t i = 0; i < end_; ++i) {
    if (at(i).exec_no == exec_no && exec_no != 0) return &at(i);
  }
  return nullptr;
}

void EndedTable::Free(EndedExec* ended) {
  *ended = EndedExec();
  --count_;
  while (end_ > 0 && at(end_ - 1).exec_no == 0) --end_;
}

}  // namespace glovebox
