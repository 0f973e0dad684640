// What the kernel itself charges for the end of a large tree of processes: cgroup.kill, and waiting
// for every one of them. No pid namespace, no daemon.
#ifndef GLOVEBOX_TESTS_BENCH_FLOOR_TREE_H_
#define GLOVEBOX_TESTS_BENCH_FLOOR_TREE_H_

#include <string>

#include "absl/status/statusor.h"
#include "tests/bench/samples.h"

namespace glovebox::bench {

// Starts `program` (programs/tree_bare.cc) in a cgroup of its own, and once it says that all run,
// measures "end": from cgroup.kill until all are reaped. The caller becomes a subreaper and must
// have no other children. UNAVAILABLE where no cgroup v2 tree is mounted.
absl::StatusOr<Measurement> TimeFloorTreeKill(const std::string& program);

}  // namespace glovebox::bench

#endif  // GLOVEBOX_TESTS_BENCH_FLOOR_TREE_H_
