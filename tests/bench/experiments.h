// The experiments of a run; each adds its table or figures to the report.
#ifndef GLOVEBOX_TESTS_BENCH_EXPERIMENTS_H_
#define GLOVEBOX_TESTS_BENCH_EXPERIMENTS_H_

#include <string>

#include "absl/status/status.h"
#include "tests/bench/client.h"
#include "tests/bench/daemon.h"
#include "tests/bench/floor_client.h"
#include "tests/bench/interleave.h"
#include "tests/bench/peers.h"
#include "tests/bench/report.h"
#include "tests/bench/workspace.h"

namespace glovebox::bench {

// All outlive the experiments.
struct Bench {
  const Workspace& workspace;
  const Daemon& daemon;
  const Client& client;
  const Client& bare;  // of bench_bare_server
  FloorClient& floor;
  Peers& peers;
  Report& report;
  Pace pace;
  int creates = 200;         // in RunRate
  int idle_sandboxes = 200;  // in RunMemory
  uint64_t stream_bytes = uint64_t{1} << 30;
  std::string repository = {};  // "": RunRepository is left out
};

// The image of Workspace::root() in the daemon.
inline constexpr char kImage[] = "bench";

// From nothing to the first output byte, and to the end of everything.
absl::Status RunCreate(Bench* bench);

// A command in a running sandbox.
absl::Status RunExec(Bench* bench);

// The same of a program that does nothing, as whole commands of the others.
absl::Status RunExecTrue(Bench* bench);

// One exec with 100 readers.
absl::Status RunReaders(Bench* bench);

// What idle execs hold.
absl::Status RunIdleExecs(Bench* bench);

// A tree of 10,000 processes, killed.
absl::Status RunTreeKill(Bench* bench);

// System calls and a build under the filters and Landlock.
absl::Status RunFilters(Bench* bench);

// An honest sandbox beside hostile ones.
absl::Status RunNeighbours(Bench* bench);

// The end of a sandbox that waits.
absl::Status RunEnd(Bench* bench);

// A sandbox at a commit that the daemon has, beside a clone of the repository.
absl::Status RunRepository(Bench* bench);

// Many at a time.
absl::Status RunRate(Bench* bench);

// Output of one command.
absl::Status RunStream(Bench* bench);

// What idle sandboxes hold.
absl::Status RunMemory(Bench* bench);

}  // namespace glovebox::bench

#endif  // GLOVEBOX_TESTS_BENCH_EXPERIMENTS_H_
