// The promises of speed and size, each judged by what one run measured.
#ifndef GLOVEBOX_TESTS_BENCH_TARGETS_H_
#define GLOVEBOX_TESTS_BENCH_TARGETS_H_

#include <nlohmann/json.hpp>

namespace glovebox::bench {

// Rows {what, target, measured, met}: `measured` in the target's own unit; null, with met null,
// when the run lacks what it needs.
nlohmann::json JudgeTargets(const nlohmann::json& document);

}  // namespace glovebox::bench

#endif  // GLOVEBOX_TESTS_BENCH_TARGETS_H_
