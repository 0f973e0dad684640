// What the kernel itself charges for a sandbox: one process in seven namespaces of its own with a
// new root, made and ended by as few system calls as it takes. No id-mapped overlay, no seccomp, no
// cgroups: a lower bound, not a sandbox to run anything in.
//
// The caller should be a small process with few descriptors and mounts, because clone copies all
// three; so tests/bench runs it in a process of its own (bench_floor).
#ifndef GLOVEBOX_TESTS_BENCH_FLOOR_SANDBOX_H_
#define GLOVEBOX_TESTS_BENCH_FLOOR_SANDBOX_H_

#include <string>

#include "absl/status/statusor.h"
#include "tests/bench/samples.h"

namespace glovebox::bench {

// Makes the sandbox on `root` (read-only bind, /proc, /tmp), executes `program` (a path inside that
// writes a byte), waits for its end. Metrics: "first_byte", "end" (reaped, namespaces gone but for
// the net namespace, which the kernel removes later).
absl::StatusOr<Measurement> TimeFloorSandbox(const std::string& root, const std::string& program);

// The same sandbox with `program` waiting in it; metric "end": from SIGKILL until it is reaped.
absl::StatusOr<Measurement> TimeFloorEnd(const std::string& root, const std::string& program);

}  // namespace glovebox::bench

#endif  // GLOVEBOX_TESTS_BENCH_FLOOR_SANDBOX_H_
