// The parts of SeccompTable(), a file each so that none grows long. Order within a part is by
// reason; SeccompTable() sorts.
#ifndef GLOVEBOX_POLICY_SECCOMP_ROWS_H_
#define GLOVEBOX_POLICY_SECCOMP_ROWS_H_

#include <span>

#include "policy/seccomp_table.h"

namespace glovebox {

std::span<const SeccompRow> FileRows();
std::span<const SeccompRow> ProcessRows();
std::span<const SeccompRow> IpcAndMemoryRows();
std::span<const SeccompRow> RefusedRows();
std::span<const SeccompRow> AbsentRows();

}  // namespace glovebox

#endif  // GLOVEBOX_POLICY_SECCOMP_ROWS_H_
