// How an exec ends: deadlines, signals, the leader's death, the drain of its pipes, the kill of
// what is left, the stored end.
#ifndef GLOVEBOX_INIT_EXEC_END_H_
#define GLOVEBOX_INIT_EXEC_END_H_

#include <sys/resource.h>

#include <cstdint>

#include "init/event_set.h"
#include "init/exec_table.h"

namespace glovebox {

// Reaps every child there is, the leaders of execs and orphans alike. Never blocks.
void ReapChildren(ExecTable* table, bool connected, EventSet* events);

// Carries out the deadlines that have passed.
void RunDeadlines(Exec* exec, int64_t now, bool connected, EventSet* events);
// The earliest deadline of the exec, 0 when there is none.
int64_t NextDeadline(const Exec& exec);

// Whether a pause (kPause) holds the exec's deadlines: not those of one that was killed.
bool StandsStill(const Exec& exec);
// After a pause of `by_ns`. What was set during the pause comes later than it need, never sooner.
void PostponeDeadlines(Exec* exec, int64_t by_ns);

// Goes on with an exec whose leader has ended: after output was read, a child reaped, a deadline.
void Advance(Exec* exec, EventSet* events);

// kSignal.
void SignalExec(Exec* exec, const SignalBody& body);

// Stores the end and lets go of all descriptors.
void FinishExec(Exec* exec, EventSet* events);

}  // namespace glovebox

#endif  // GLOVEBOX_INIT_EXEC_END_H_
