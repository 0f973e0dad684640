// Asks a bench_floor process for measurements, so that they can be taken in turn with the others.
#ifndef GLOVEBOX_TESTS_BENCH_FLOOR_CLIENT_H_
#define GLOVEBOX_TESTS_BENCH_FLOOR_CLIENT_H_

#include <string>
#include <utility>

#include "absl/status/statusor.h"
#include "base/unique_fd.h"
#include "tests/bench/child.h"
#include "tests/bench/samples.h"

namespace glovebox::bench {

class FloorClient {
 public:
  // `program`: bench_floor; `root`: Workspace::root().
  static absl::StatusOr<FloorClient> Start(const std::string& program, const std::string& root);

  // Metrics first_byte and end, or end alone; see floor_sandbox.h, floor_tree.h.
  absl::StatusOr<Measurement> Create() { return Ask('c'); }
  absl::StatusOr<Measurement> End() { return Ask('e'); }
  absl::StatusOr<Measurement> KillTree() { return Ask('t'); }

 private:
  FloorClient(Companion process, UniqueFd requests, UniqueFd answers)
      : process_(std::move(process)),
        requests_(std::move(requests)),
        answers_(std::move(answers)) {}
  absl::StatusOr<Measurement> Ask(char request);

  Companion process_;
  UniqueFd requests_;
  UniqueFd answers_;
};

}  // namespace glovebox::bench

#endif  // GLOVEBOX_TESTS_BENCH_FLOOR_CLIENT_H_
