#include "tests/bench/interleave.h"

#include <signal.h>
#include <time.h>

#include <atomic>
#include <thread>

namespace glovebox::bench {
namespace {

std::atomic<bool> interrupted{false};
static_assert(std::atomic<bool>::is_always_lock_free, "a signal handler sets it");

void Pause(int ms) {
  timespec left{ms / 1000, (ms % 1000) * 1000000L};
  while (ms > 0 && !Interrupted() && nanosleep(&left, &left) != 0) {
  }
}

}  // namespace

void CatchInterrupts() {
  struct sigaction action {};
  action.sa_handler = [](int) { interrupted.store(true); };
  for (int signal : {SIGINT, SIGTERM, SIGHUP}) (void)sigaction(signal, &action, nullptr);
  action.sa_handler = SIG_IGN;  // NOLINT(cppcoreguidelines-pro-type-cstyle-cast): glibc's macro
  (void)sigaction(SIGPIPE, &action, nullptr);
}

bool Interrupted() { return interrupted.load(); }

absl::StatusOr<std::vector<CaseResult>> RunInterleaved(const std::vector<Case>& cases,
                                                       const Pace& pace) {
  std::vector<CaseResult> results(cases.size());
  for (int round = -pace.warm_up_rounds; round < pace.rounds; ++round) {
    for (size_t i = 0; i < cases.size(); ++i) {
      Pause(pace.gap_ms);
      if (Interrupted()) return absl::CancelledError("interrupted");
      results[i].name = cases[i].name;
      absl::StatusOr<Measurement> measured = cases[i].run();
      if (!measured.ok()) {
        if (results[i].failures++ == 0) {
          results[i].first_failure = std::string(measured.status().message());
        }
        continue;
      }
      if (round < 0) continue;
      for (const auto& [metric, value] : *measured) results[i].metrics[metric].Add(value);
    }
  }
  return results;
}

void RunParallel(int count, int width, const std::function<void(int)>& run) {
  std::atomic<int> next{0};
  std::vector<std::thread> threads;
  for (int i = 0; i < width; ++i) {
    threads.emplace_back([&] {
      for (int mine = next++; mine < count && !Interrupted(); mine = next++) run(mine);
    });
  }
  for (std::thread& thread : threads) thread.join();
}

}  // namespace glovebox::bench
