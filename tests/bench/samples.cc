#include "tests/bench/samples.h"

#include <time.h>

#include <algorithm>
#include <cmath>

namespace glovebox::bench {

double NowUs() {
  timespec now{};
  (void)clock_gettime(CLOCK_MONOTONIC, &now);  // cannot fail with this clock
  return static_cast<double>(now.tv_sec) * 1e6 + static_cast<double>(now.tv_nsec) / 1e3;
}

double Samples::Percentile(double part) const {
  if (values_.empty()) return 0;
  std::vector<double> sorted = values_;
  std::sort(sorted.begin(), sorted.end());
  double rank = std::ceil(part * static_cast<double>(sorted.size())) - 1;
  return sorted[static_cast<size_t>(std::max(rank, 0.0))];
}

}  // namespace glovebox::bench
