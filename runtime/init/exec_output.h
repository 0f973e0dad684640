// From a command's pipes or terminal into its region, one read at a time, fair between commands.
#ifndef GLOVEBOX_INIT_EXEC_OUTPUT_H_
#define GLOVEBOX_INIT_EXEC_OUTPUT_H_

#include "init/event_set.h"
#include "init/exec.h"
#include "init/exec_table.h"

namespace glovebox {

// Reads output[stream] up to `reads_max` times. `connected`: a daemon is there to move the gate.
// Sets exec->output_held when a ring is full of what was not delivered, closes the
// descriptor at its end. Kills the tree at the output limit.
void PumpOutput(Exec* exec, int stream, int reads_max, bool connected, EventSet* events);

// The daemon moved the gate, came or went: the pipes are polled again, and what must wait waits
// again.
void ResumeOutput(Exec* exec, uint32_t slot, EventSet* events);

// Carries out hold_deadline_ns once it has passed: nobody paced for so long, the command goes on.
void EndHold(Exec* exec, uint32_t slot, int64_t now, EventSet* events);

// Room for a record that is not output, of at most 512 bytes; size 0: not now, see
// exec->output_held.
RegionWriter::Space ReserveRecord(Exec* exec, OutputStream stream, uint32_t size, bool connected,
                                  EventSet* events);
// Publishes what was written there.
void CommitRecord(Exec* exec, OutputStream stream, RegionWriter::Space space);

void CloseOutput(Exec* exec, int stream, EventSet* events);

inline bool OutputClosed(const Exec& exec) {
  return !exec.output[0].valid() && !exec.output[1].valid();
}

}  // namespace glovebox

#endif  // GLOVEBOX_INIT_EXEC_OUTPUT_H_
