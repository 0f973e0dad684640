// Runs cases in turn, A B C A B C ..., so that whatever else the machine does hits all alike.
#ifndef GLOVEBOX_TESTS_BENCH_INTERLEAVE_H_
#define GLOVEBOX_TESTS_BENCH_INTERLEAVE_H_

#include <functional>
#include <map>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "tests/bench/samples.h"

namespace glovebox::bench {

struct Case {
  std::string name;
  std::function<absl::StatusOr<Measurement>()> run;
};

struct CaseResult {
  std::string name;
  std::map<std::string, Samples> metrics;
  int failures = 0;
  std::string first_failure;
};

struct Pace {
  int rounds = 30;
  int warm_up_rounds = 2;
  // A lone request comes after an idle moment; one right behind another profits from grace periods
  // that the one before has waited for. 0: back to back.
  int gap_ms = 60;
};

// SIGINT and SIGTERM only ask: every loop of the benchmark looks here and goes home by the ordinary
// way, which removes what was made. Call once, before threads start.
void CatchInterrupts();
bool Interrupted();

// One result per case, in order. A case that fails is counted and goes on being tried. CANCELLED
// when interrupted.
absl::StatusOr<std::vector<CaseResult>> RunInterleaved(const std::vector<Case>& cases,
                                                       const Pace& pace);

// Calls `run(i)` for i in [0, count), `width` at a time in threads of their own; stops starting new
// ones when interrupted.
void RunParallel(int count, int width, const std::function<void(int)>& run);

}  // namespace glovebox::bench

#endif  // GLOVEBOX_TESTS_BENCH_INTERLEAVE_H_
