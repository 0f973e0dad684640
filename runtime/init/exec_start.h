// kStart: from a region to a running command.
#ifndef GLOVEBOX_INIT_EXEC_START_H_
#define GLOVEBOX_INIT_EXEC_START_H_

#include "init/event_set.h"
#include "init/exec_table.h"
#include "init/plan_reader.h"
#include "init/refusals.h"

namespace glovebox {

// The descriptors of a kStart, in their order.
struct StartDescriptors {
  UniqueFd region;
  UniqueFd cgroup;
  UniqueFd cgroup_kill;
  UniqueFd log;      // only with full_log_bytes
  UniqueFd program;  // only of kStartProgram
};

struct StartRefusal {
  int error = 0;  // 0: there is an exec now
  const char* detail = "";
};

// Makes an exec of it. A command that cannot be started is an exec all the same, ended with
// kSpawnFailed; refused is only what has no place to say so.
StartRefusal StartExec(const PlanReader& plan, uint32_t exec_no, StartDescriptors descriptors,
                       ExecTable* table, Refusals* refusals, EventSet* events);

}  // namespace glovebox

#endif  // GLOVEBOX_INIT_EXEC_START_H_
