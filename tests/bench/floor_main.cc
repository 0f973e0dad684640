// bench_floor [--rounds N] [--gap-ms N]: the kernel's floor by itself.
// bench_floor --serve ROOT: measures on request for bench_main, in this small process: on stdin one
// byte per request, 'c' create to end, 'e' end alone, 't' end of a tree; on stdout one line each,
// "first_byte end" in microseconds or "error TEXT".
#include <stdio.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>
#include <string>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "tests/bench/child.h"
#include "tests/bench/floor_sandbox.h"
#include "tests/bench/floor_tree.h"
#include "tests/bench/interleave.h"
#include "tests/bench/workspace.h"

namespace glovebox::bench {
namespace {

int Serve(const std::string& root) {
  char request = 0;
  while (read(STDIN_FILENO, &request, 1) == 1) {
    absl::StatusOr<Measurement> times = request == 't' ? TimeFloorTreeKill(root + "/bin/tree_bare")
                                        : request == 'e' ? TimeFloorEnd(root, "/bin/pause_bare")
                                                         : TimeFloorSandbox(root, "/bin/hello");
    std::string line = times.ok() ? absl::StrCat((*times)["first_byte"], " ", (*times)["end"], "\n")
                                  : absl::StrCat("error ", times.status().message(), "\n");
    if (write(STDOUT_FILENO, line.data(), line.size()) < 0) return 1;
  }
  return 0;
}

int Report(const Pace& pace) {
  absl::StatusOr<Workspace> workspace = Workspace::Make();
  if (!workspace.ok()) {
    (void)fprintf(stderr, "bench_floor: %s\n", workspace.status().ToString().c_str());
    return 1;
  }
  const std::string& root = workspace->root();
  auto spawn = [&](const char* name) {
    return [program = absl::StrCat(root, "/bin/", name)] { return TimeCommand({{program}}); };
  };
  std::vector<Case> cases = {
      {"vfork+exec of a static true", spawn("true")},
      {"vfork+exec of a static true without a C library", spawn("true_bare")},
      {"vfork+exec of a static hello", spawn("hello")},
      {"seven namespaces, new root, static hello, end",
       [&] { return TimeFloorSandbox(root, "/bin/hello"); }},
      {"the same, end of a waiting one", [&] { return TimeFloorEnd(root, "/bin/pause_bare"); }}};
  absl::StatusOr<std::vector<CaseResult>> results = RunInterleaved(cases, pace);
  if (!results.ok()) return 130;
  int failures = 0;
  double unit = (*results)[0].metrics["end"].Median();
  (void)printf("%-50s %-11s %9s %9s %9s %6s\n", "case", "metric", "median us", "p10", "p99", "x");
  for (const CaseResult& result : *results) {
    failures += result.failures;
    if (result.failures > 0)
      (void)printf("%s: %s\n", result.name.c_str(), result.first_failure.c_str());
    for (const auto& [metric, samples] : result.metrics) {
      (void)printf("%-50s %-11s %9.0f %9.0f %9.0f %6.2f\n", result.name.c_str(), metric.c_str(),
                   samples.Median(), samples.Percentile(0.1), samples.Percentile(0.99),
                   unit > 0 ? samples.Median() / unit : 0);
    }
  }
  return failures == 0 && unit > 0 ? 0 : 1;
}

int Main(int argc, char** argv) {
  Pace pace;
  for (int i = 1; i + 1 < argc; i += 2) {
    if (strcmp(argv[i], "--serve") == 0) return Serve(argv[i + 1]);
    int* value = strcmp(argv[i], "--rounds") == 0   ? &pace.rounds
                 : strcmp(argv[i], "--gap-ms") == 0 ? &pace.gap_ms
                                                    : nullptr;
    if (value == nullptr || !absl::SimpleAtoi(argv[i + 1], value) || *value < 0) {
      (void)fprintf(stderr, "usage: bench_floor [--rounds N] [--gap-ms N] | --serve ROOT\n");
      return 2;
    }
  }
  CatchInterrupts();
  return Report(pace);
}

}  // namespace
}  // namespace glovebox::bench

int main(int argc, char** argv) { return glovebox::bench::Main(argc, argv); }
